#include "exchange.h"

/* Whether no mount stands in front of the route. */
static int
unmounted(Exchange *self)
{
    PyObject *prefix = self->prefix;

    return prefix != NULL && Py_TYPE(prefix) == &PyUnicode_Type &&
           PyUnicode_GetLength(prefix) == 0;
}

PyDoc_STRVAR(routed_doc,
    "routed(holder, pattern, templates): the request that lies in this scope or environ was taken by\n"
    "the pattern; False where that is not plain, and nothing is noted.");

static PyObject *
routed(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyDict_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "expected holder, pattern, templates");
        return NULL;
    }
    if (Py_TYPE(args[0]) != &PyDict_Type || Py_TYPE(args[1]) != &PyUnicode_Type)
        Py_RETURN_FALSE;
    PyObject *found = PyDict_GetItemWithError(args[0], exchange_key); /* borrowed */
    PyObject *template =
        found == NULL ? NULL : PyDict_GetItemWithError(args[2], args[1]); /* borrowed */
    if (template == NULL || Py_TYPE(template) != &PyUnicode_Type || !is_exchange(found)) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_FALSE;
    }
    Exchange *self = (Exchange *)found;
    if (!unmounted(self))
        Py_RETURN_FALSE;
    Py_INCREF(found);
    put(&self->route, template);
    Py_DECREF(found);
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(taken_doc,
    "taken(holder, template): the request that lies in this scope or environ was taken by the route\n"
    "of this template; False where that is not plain, and nothing is noted.");

static PyObject *
taken(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "expected holder, template");
        return NULL;
    }
    if (Py_TYPE(args[0]) != &PyDict_Type || Py_TYPE(args[1]) != &PyUnicode_Type)
        Py_RETURN_FALSE;
    PyObject *found = PyDict_GetItemWithError(args[0], exchange_key); /* borrowed */
    if (found == NULL || !is_exchange(found) || !unmounted((Exchange *)found)) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_FALSE;
    }
    Py_INCREF(found);
    put(&((Exchange *)found)->route, args[1]);
    Py_DECREF(found);
    Py_RETURN_TRUE;
}

static PyMethodDef functions[] = {
    {"routed", (PyCFunction)(void (*)(void))routed, METH_FASTCALL, routed_doc},
    {"taken", (PyCFunction)(void (*)(void))taken, METH_FASTCALL, taken_doc},
    {NULL, NULL, 0, NULL},
};

int
add_routes(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
