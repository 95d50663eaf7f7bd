/* What an application does with a plain request over ASGI. */

#include "relay.h"

static PyObject *name_endpoint, *name_receiving, *name_disown;

/* What `served_by` was given: see monagent.integrations._asgi. */
static PyObject *over, *awaiting;

/* The scope, which the server's object holds, lets go of the request, since it holds that object. */
static void
in_scope_no_more(PyObject *scope)
{
    if (PyDict_DelItem(scope, exchange_key) < 0)
        PyErr_Clear();
}

/* The application has returned; the request is recorded by now, as nearly always, or `over` says. */
static void
returned(Exchange *request, PyObject *scope)
{
    in_scope_no_more(scope);
    if (!request->recorded)
        no_more(PyObject_CallFunctionObjArgs(over, (PyObject *)request, Py_None, NULL));
}

/* It raises what is set. */
static void
raised(Exchange *request, PyObject *scope)
{
    PyObject *type, *error, *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    in_scope_no_more(scope);
    if (!request->recorded) {
        PyErr_NormalizeException(&type, &error, &traceback);
        if (traceback != NULL)
            PyException_SetTraceback(error, traceback);
        no_more(PyObject_CallFunctionObjArgs(over, (PyObject *)request, error, NULL));
    }
    PyErr_Restore(type, error, traceback);
}

/* As if it had not arrived. */
static void
unbegun(Exchange *request, PyObject *scope)
{
    PyObject *type, *error, *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    in_scope_no_more(scope);
    no_more(PyObject_CallMethodObjArgs((PyObject *)request, name_disown, NULL));
    PyErr_Restore(type, error, traceback);
}

static const Listener listener = {returned, raised, unbegun};

/* What the application gives for a request that has arrived; its exceptions are the application's. */
static PyObject *
given_by(PyObject *original, PyObject *application, PyObject *scope, Exchange *request)
{
    PyObject *receiving = PyObject_GetAttr((PyObject *)request, name_receiving);
    if (receiving == NULL) {
        report(http_failed);
        unbegun(request, scope);
        return Py_NewRef(Py_None);
    }
    PyObject *given = PyObject_CallFunctionObjArgs(
        original, application, scope, receiving, (PyObject *)request, NULL);
    Py_DECREF(receiving);
    if (given != NULL && !is_coroutine(given)) {
        PyObject *coroutine = PyObject_CallFunctionObjArgs(awaiting, given, NULL);
        Py_DECREF(given);
        given = coroutine;
    }
    if (given != NULL)
        return relay(given, &listener, request, scope);
    raised(request, scope);
    return NULL;
}

PyDoc_STRVAR(served_doc,
    "served(cls, arrivals, original, application, scope, receive, send): what the application gives\n"
    "for a plain request over ASGI, to be awaited; None of any other.");

static PyObject *
served(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || Py_TYPE(args[1]) != &PyDict_Type || awaiting == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "expected cls, arrivals, original, application, scope, receive, send");
        return NULL;
    }
    PyObject *scope = args[4];
    if (Py_TYPE(scope) != &PyDict_Type)
        Py_RETURN_NONE;
    if (PyDict_Contains(scope, exchange_key)) {
        if (PyDict_Contains(scope, name_endpoint))
            Py_RETURN_NONE;
        return PyObject_CallFunctionObjArgs(args[2], args[3], scope, args[5], args[6], NULL);
    }
    Exchange *request = asgi_arrival(args[0], args[1], scope, args[5], args[6]);
    if (request == NULL) {
        report(http_failed);
        Py_RETURN_NONE;
    }
    PyObject *given = given_by(args[2], args[3], scope, request);
    Py_DECREF(request);
    return given;
}

PyDoc_STRVAR(served_by_doc,
    "served_by(over, awaiting): what monagent.integrations._asgi has.");

static PyObject *
served_by(PyObject *module, PyObject *args)
{
    PyObject *given[2];

    if (!PyArg_ParseTuple(args, "OO", &given[0], &given[1]))
        return NULL;
    put(&over, given[0]);
    put(&awaiting, given[1]);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"served", (PyCFunction)(void (*)(void))served, METH_FASTCALL, served_doc},
    {"served_by", served_by, METH_VARARGS, served_by_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&name_endpoint, "endpoint"},
    {&name_receiving, "receiving"},
    {&name_disown, "disown"},
};

int
add_servings(PyObject *module)
{
    return INTERN(texts) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
