/* What an application does with a plain request over ASGI. */

#include "relay.h"

static PyObject *name_endpoint, *name_receiving;

/* What `served_by` was given: see monagent.integrations._asgi. */
static PyObject *through, *broken, *waiting;

static void
in_scope_no_more(PyObject *scope)
{
    PyObject *type, *error, *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    if (PyDict_DelItem(scope, exchange_key) < 0)
        PyErr_Clear();
    PyErr_Restore(type, error, traceback);
}

/* The application is through with it; it is recorded by now, as nearly always, or `through` says. */
static void
returned(Exchange *request, PyObject *scope)
{
    in_scope_no_more(scope);
    if (request->recorded)
        return;
    PyObject *done = PyObject_CallFunctionObjArgs(through, scope, (PyObject *)request, NULL);
    if (done == NULL)
        report(http_failed);
    Py_XDECREF(done);
}

/* The application raises what is set. */
static void
raised(Exchange *request, PyObject *scope)
{
    PyObject *type, *error, *traceback, *done = NULL;

    in_scope_no_more(scope);
    if (request->recorded)
        return;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(error, traceback);
    done = PyObject_CallFunctionObjArgs(broken, scope, (PyObject *)request, error, NULL);
    if (done == NULL)
        report(http_failed);
    Py_XDECREF(done);
    PyErr_Restore(type, error, traceback);
}

/* As if it had not arrived. */
static void
unbegun(Exchange *request, PyObject *scope)
{
    PyObject *type, *error, *traceback, *done = NULL;

    in_scope_no_more(scope);
    if (request->recorded)
        return;
    request->recorded = 1;
    PyErr_Fetch(&type, &error, &traceback);
    if (request->active != NULL)
        done = PyObject_CallFunction(request->active, "i", -1);
    if (done == NULL)
        report(http_failed);
    Py_XDECREF(done);
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
    if (given == NULL)
        raised(request, scope);
    else if (is_coroutine(given))
        return relay(given, &listener, request, scope);
    else {
        PyObject *coroutine =
            PyObject_CallFunctionObjArgs(waiting, scope, (PyObject *)request, given, NULL);
        Py_DECREF(given);
        return coroutine;
    }
    return NULL;
}

PyDoc_STRVAR(served_doc,
    "served(cls, arrivals, original, application, scope, receive, send): what the application gives\n"
    "for a plain request over ASGI, to be awaited; None of any other.");

static PyObject *
served(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || Py_TYPE(args[1]) != &PyDict_Type || waiting == NULL) {
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
    "served_by(through, broken, waiting): what monagent.integrations._asgi has.");

static PyObject *
served_by(PyObject *module, PyObject *args)
{
    PyObject *given[3];

    if (!PyArg_ParseTuple(args, "OOO", &given[0], &given[1], &given[2]))
        return NULL;
    put(&through, given[0]);
    put(&broken, given[1]);
    put(&waiting, given[2]);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"served", (PyCFunction)(void (*)(void))served, METH_FASTCALL, served_doc},
    {"served_by", served_by, METH_VARARGS, served_by_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {{&name_endpoint, "endpoint"}, {&name_receiving, "receiving"}};

int
add_servings(PyObject *module)
{
    return INTERN(texts) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
