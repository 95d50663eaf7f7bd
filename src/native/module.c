/* The plain path of what is recorded most, in C: of requests and outgoing calls over HTTP, of
   statements and pools of databases, of jobs; and what Python cannot do at all: a process that is
   nobody's child.

   Whatever is not plain (an exception, an event stream, a client that left, types of one's own) is
   handed back, and goes the way that is written in Python beside every use of what is here: see
   monagent.native.  Without this module all goes that way.

   One binary for all CPythons from 3.10 on: https://docs.python.org/3/c-api/stable.html */

#include "native.h"

/* The objects of these files belong to one interpreter; others of its process may find this module too. */
static int
first_interpreter(void)
{
    return PyInterpreterState_GetID(PyInterpreterState_Get()) == 0;
}

PyDoc_STRVAR(is_first_doc, "is_first(): whether this is the process's first interpreter.");

static PyObject *
is_first(PyObject *module, PyObject *ignored)
{
    return PyBool_FromLong(first_interpreter());
}

static PyMethodDef methods[] = {
    {"is_first", is_first, METH_NOARGS, is_first_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "monagent._native", "The plain path of what is recorded most.", -1,
    methods, NULL, NULL, NULL, NULL,
};

static int (*const rooms[])(PyObject *) = {
    add_exchanges, add_enders, add_relays, add_endings, add_servings, add_asgi, add_wsgi,
    add_timers, add_pools, add_statements, add_calls, add_bodies, add_connections, add_callers,
    add_routes, add_recorders, add_attempts, add_orphans,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    if (!first_interpreter()) {
        PyErr_SetString(PyExc_ImportError, "for the first interpreter alone");
        return NULL;
    }
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        if (rooms[i](module) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    /* A file that an older or newer tree has left is known by it. */
    if (PyModule_AddIntConstant(module, "INTERFACE", 9) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
