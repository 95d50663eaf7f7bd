#include "native.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

PyObject *not_ours;

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

/* The exception that is set, which is set no more, with its traceback; NULL where none is. */
static PyObject *
taken(void)
{
    PyObject *type, *error, *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &error, &traceback);
    if (error != NULL && traceback != NULL)
        PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
}

static int
raised_again(void *error)
{
    PyErr_SetObject((PyObject *)Py_TYPE((PyObject *)error), error);
    Py_DECREF((PyObject *)error);
    return -1;
}

static int
in_main_thread(void)
{
#ifdef __linux__
    return syscall(SYS_gettid) == getpid();
#else
    return 1;
#endif
}

/* Raises what is set once more as soon as this thread goes on with code of Python's: it is the
   program's own, from a handler of a signal or from another thread. */
static void
raise_later(void)
{
    PyObject *error = taken();

    if (error == NULL)
        return;
    if (!in_main_thread())
        PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), (PyObject *)Py_TYPE(error));
    else if (Py_AddPendingCall(raised_again, error) == 0)
        return;
    Py_DECREF(error);
}

void
report(PyObject *failed)
{
    PyObject *error = taken();

    if (error == NULL)
        return;
    PyObject *done = failed == NULL ? NULL : PyObject_CallFunctionObjArgs(failed, error, NULL);
    if (done == NULL)
        raise_later();
    Py_XDECREF(done);
    Py_DECREF(error);
}

void
leave(void)
{
    if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return;
    }
    PyObject *error = taken();
    PyObject *is = error == NULL || not_ours == NULL ? NULL :
        PyObject_CallFunctionObjArgs(not_ours, error, NULL);
    PyErr_Clear();
    if (is == Py_True) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        raise_later();
    }
    Py_XDECREF(is);
    Py_XDECREF(error);
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
