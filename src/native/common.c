#include "native.h"

#include <time.h>

static double
read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double
now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double
now_of_day(void)
{
    return read_clock(CLOCK_REALTIME);
}

void
report(PyObject *failed)
{
    PyObject *type, *error, *traceback, *done = NULL;

    PyErr_Fetch(&type, &error, &traceback);
    if (type == NULL)
        return;
    PyErr_NormalizeException(&type, &error, &traceback);
    if (failed != NULL && error != NULL)
        done = PyObject_CallFunctionObjArgs(failed, error, NULL);
    PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
}

void
release(PyObject *self, inquiry clear)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    clear(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

PyTypeObject *
made(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);

    if (type == NULL)
        return NULL;
    Py_INCREF(type); /* one for the module, one for us */
    if (PyModule_AddObject(module, name, type) < 0) {
        Py_DECREF(type);
        Py_DECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

int
intern(const Text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *texts[i].object = PyUnicode_InternFromString(texts[i].text);
        if (*texts[i].object == NULL)
            return -1;
    }
    return 0;
}
