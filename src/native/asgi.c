/* Over ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html */

#include "cells.h"
#include "exchange.h"
#include "headers.h"

static PyObject *name_scheme, *name_method, *name_type, *name_status, *name_headers, *name_trailers,
    *name_more_body, *name_body, *type_start, *type_body;

/* Whether it is sure that no proxy has stamped the request. */
static int
no_stamp(PyObject *headers)
{
    if (headers == NULL || Py_TYPE(headers) != &PyList_Type)
        return 0;
    Py_ssize_t count = PyList_Size(headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (Py_TYPE(pair) != &PyTuple_Type || PyTuple_Size(pair) != 2)
            return 0;
        PyObject *name = PyTuple_GetItem(pair, 0);
        if (Py_TYPE(name) != &PyBytes_Type)
            return 0;
        Py_ssize_t length = PyBytes_Size(name);
        if ((length == 15 && memcmp(PyBytes_AsString(name), "x-request-start", 15) == 0) ||
            (length == 13 && memcmp(PyBytes_AsString(name), "x-queue-start", 13) == 0))
            return 0;
    }
    return 1;
}

PyDoc_STRVAR(arrived_asgi_doc,
    "arrived_asgi(cls, arrivals, scope, receive, send): a request over ASGI that arrives now; None\n"
    "of any that is not plain, or is known already.");

static PyObject *
arrived_asgi(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || Py_TYPE(args[1]) != &PyDict_Type) {
        PyErr_SetString(PyExc_TypeError, "expected cls, arrivals, scope, receive, send");
        return NULL;
    }
    PyObject *scope = args[2];
    if (Py_TYPE(scope) != &PyDict_Type || PyDict_Contains(scope, exchange_key))
        Py_RETURN_NONE;
    PyObject *arrival = known(args[1], scope, name_scheme, name_method);
    if (arrival == NULL || !no_stamp(PyDict_GetItemWithError(scope, name_headers))) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    Exchange *self = arrive(args[0], arrival);
    if (self == NULL)
        return NULL;
    put(&self->receive, args[3]);
    put(&self->send, args[4]);
    return kept(scope, self);
}

/* Whether the headers of a response begin no stream of events, as a list of pairs of bytes tells. */
static int
no_events(PyObject *headers)
{
    if (headers == NULL || Py_TYPE(headers) != &PyList_Type)
        return 0;
    Py_ssize_t count = PyList_Size(headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (Py_TYPE(pair) != &PyTuple_Type || PyTuple_Size(pair) != 2)
            return 0;
        PyObject *name = PyTuple_GetItem(pair, 0), *value = PyTuple_GetItem(pair, 1);
        if (Py_TYPE(name) != &PyBytes_Type || Py_TYPE(value) != &PyBytes_Type)
            return 0;
        if (PyBytes_Size(name) != sizeof CONTENT_TYPE - 1 ||
            !lower_equals(PyBytes_AsString(name), CONTENT_TYPE, sizeof CONTENT_TYPE - 1))
            continue;
        return PyBytes_Size(value) < (Py_ssize_t)sizeof EVENTS - 1 ||
               memcmp(PyBytes_AsString(value), EVENTS, sizeof EVENTS - 1) != 0;
    }
    return 1;
}

static int
is_false(PyObject *message, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(message, name);
    return value == NULL || value == Py_False;
}

PyDoc_STRVAR(said_doc,
    "said(request, message, gone): note what the application sends over ASGI. False: the start of a\n"
    "plain answer. True: its whole body. None: anything else, of which nothing is noted.");

static PyObject *
said(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !is_exchange(args[0])) {
        PyErr_SetString(PyExc_TypeError, "expected request, message, gone");
        return NULL;
    }
    Exchange *self = (Exchange *)args[0];
    PyObject *message = args[1], *gone = args[2];

    if (Py_TYPE(message) != &PyDict_Type || self->stage || !self->plain || self->recorded)
        Py_RETURN_NONE;
    PyObject *type = PyDict_GetItemWithError(message, name_type);
    if (equals(type, type_body)) {
        PyObject *body = PyDict_GetItemWithError(message, name_body);
        if (body == NULL || Py_TYPE(body) != &PyBytes_Type || !is_false(message, name_more_body))
            Py_RETURN_NONE;
        self->sent = PyBytes_Size(body);
        self->stage = 2;
        Py_RETURN_TRUE;
    }
    if (!equals(type, type_start))
        Py_RETURN_NONE;
    PyObject *status = PyDict_GetItemWithError(message, name_status);
    if (status == NULL || Py_TYPE(status) != &PyLong_Type || self->status != no_status ||
        !is_false(message, name_trailers) ||
        !no_events(PyDict_GetItemWithError(message, name_headers)))
        Py_RETURN_NONE;
    Py_INCREF(status);
    put(&self->head, message); /* What tells who has left may look at it. */
    if (PyList_Size(gone) > 0) {
        PyObject *asked =
            PyObject_CallFunctionObjArgs(PyList_GetItem(gone, 0), (PyObject *)self, NULL);
        int left = asked == NULL ? -1 : PyObject_IsTrue(asked);
        Py_XDECREF(asked);
        if (left != 0) {
            PyErr_Clear(); /* It is asked once more. */
            Py_DECREF(status);
            Py_RETURN_NONE;
        }
    }
    put(&self->status, status);
    Py_DECREF(status);
    Py_RETURN_FALSE;
}

static PyMethodDef functions[] = {
    {"arrived_asgi", (PyCFunction)(void (*)(void))arrived_asgi, METH_FASTCALL, arrived_asgi_doc},
    {"said", (PyCFunction)(void (*)(void))said, METH_FASTCALL, said_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&name_scheme, "scheme"},
    {&name_method, "method"},
    {&name_type, "type"},
    {&name_status, "status"},
    {&name_headers, "headers"},
    {&name_trailers, "trailers"},
    {&name_more_body, "more_body"},
    {&name_body, "body"},
    {&type_start, "http.response.start"},
    {&type_body, "http.response.body"},
};

int
add_asgi(PyObject *module)
{
    return INTERN(texts) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
