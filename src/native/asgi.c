/* Over ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html */

#include "cells.h"
#include "exchange.h"
#include "headers.h"

static PyObject *name_scheme, *name_method, *name_type, *name_status, *name_headers, *name_trailers,
    *name_more_body, *name_body, *type_start, *type_body;
static PyObject *name_function, *name_code, *name_flags, *name_sent_all, *name_gone,
    *name_interrupted, *name_sending, *name_ending, *name_throw, *name_close;

#define COROUTINE 0x80 /* inspect.CO_COROUTINE */

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

/* Says of a request, by its only item, whether its client has left: `_asgi_request.gone`. */
static PyObject *gone;

PyDoc_STRVAR(asks_doc, "asks(gone): the list whose item, if it has one, says who has left.");

static PyObject *
asks(PyObject *module, PyObject *given)
{
    if (Py_TYPE(given) != &PyList_Type) {
        PyErr_SetString(PyExc_TypeError, "expected a list");
        return NULL;
    }
    put(&gone, given);
    Py_RETURN_NONE;
}

/* Whether nothing is known of the client's leave; it is asked once more where that is not sure. */
static int
is_there(Exchange *self)
{
    if (gone == NULL || PyList_Size(gone) == 0)
        return 1;
    PyObject *asked = PyObject_CallFunctionObjArgs(PyList_GetItem(gone, 0), (PyObject *)self, NULL);
    int left = asked == NULL ? -1 : PyObject_IsTrue(asked);
    Py_XDECREF(asked);
    PyErr_Clear();
    return left == 0;
}

enum said { OTHER, START, WHOLE };

/* Notes the start of a plain answer or its whole body; of anything else nothing. */
static enum said
note(Exchange *self, PyObject *message)
{
    if (Py_TYPE(message) != &PyDict_Type || self->stage || !self->plain || self->recorded)
        return OTHER;
    PyObject *type = PyDict_GetItemWithError(message, name_type);
    if (equals(type, type_body)) {
        PyObject *body = PyDict_GetItemWithError(message, name_body);
        if (body == NULL || Py_TYPE(body) != &PyBytes_Type || !is_false(message, name_more_body))
            return OTHER;
        self->sent = PyBytes_Size(body);
        self->stage = 2;
        return WHOLE;
    }
    if (!equals(type, type_start))
        return OTHER;
    PyObject *status = PyDict_GetItemWithError(message, name_status);
    if (status == NULL || Py_TYPE(status) != &PyLong_Type || self->status != no_status ||
        !is_false(message, name_trailers) ||
        !no_events(PyDict_GetItemWithError(message, name_headers)))
        return OTHER;
    Py_INCREF(status);
    put(&self->head, message); /* What tells who has left may look at it. */
    int there = is_there(self);
    if (there)
        put(&self->status, status);
    Py_DECREF(status);
    return there ? START : OTHER;
}

/* The code of the server's `send` that was met last and is a coroutine function's. */
static PyObject *code_met;

/* Whether what `send` returns is a coroutine, as that of most servers is. */
static int
gives_coroutines(PyObject *send)
{
    PyObject *function = PyObject_GetAttr(send, name_function), *code;

    if (function == NULL) {
        PyErr_Clear();
        Py_INCREF(send);
        function = send;
    }
    code = PyObject_GetAttr(function, name_code);
    Py_DECREF(function);
    int found = code != NULL && code == code_met;
    if (code != NULL && !found) {
        PyObject *flags = PyObject_GetAttr(code, name_flags);
        found = flags != NULL && Py_TYPE(flags) == &PyLong_Type && PyLong_AsLong(flags) & COROUTINE;
        Py_XDECREF(flags);
        if (found)
            put(&code_met, code);
    }
    Py_XDECREF(code);
    PyErr_Clear();
    return found;
}

/* The coroutine that sends the whole body of a plain answer, which ends the request with it.  Who
   looks at it sees the coroutine of the server that it stands for. */
typedef struct {
    PyObject_HEAD
    Exchange *request;
    PyObject *sending;
    char begun, over;
} Ending;

static PyTypeObject *Ending_Type;

static int
ending_traverse(Ending *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->request);
    Py_VISIT(self->sending);
    return 0;
}

static int
ending_clear(Ending *self)
{
    Py_CLEAR(self->request);
    Py_CLEAR(self->sending);
    return 0;
}

static void
ending_dealloc(PyObject *self)
{
    release(self, (inquiry)ending_clear);
}

/* The body is with the server. */
static void
sent_whole(Ending *self)
{
    Exchange *request = self->request;

    self->over = 1;
    if (request == NULL || request->recorded)
        return;
    int done = end_plain(request);
    if (done == 0) {
        PyObject *result = PyObject_CallMethodObjArgs((PyObject *)request, name_sent_all, NULL);
        done = result == NULL ? -1 : 1;
        Py_XDECREF(result);
    }
    if (done < 0)
        report(http_failed);
}

/* It is not, and why is set. */
static void
sending_failed(Ending *self)
{
    PyObject *type, *error, *traceback;

    self->over = 1;
    if (self->request == NULL)
        return;
    int left = PyErr_ExceptionMatches(PyExc_OSError);
    if (!left && PyErr_ExceptionMatches(PyExc_Exception))
        return;
    PyErr_Fetch(&type, &error, &traceback);
    if (left) {
        if (PyObject_SetAttr((PyObject *)self->request, name_gone, Py_True) < 0)
            report(http_failed);
    }
    else {
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self->request, name_interrupted, NULL);
        if (done == NULL)
            report(http_failed);
        Py_XDECREF(done);
    }
    PyErr_Restore(type, error, traceback);
}

static PySendResult
ending_step(PyObject *object, PyObject *value, PyObject **result)
{
    Ending *self = (Ending *)object;
    PyObject *sending = self->sending;

    self->begun = 1;
    Py_INCREF(sending);
    PySendResult how = PyIter_Send(sending, value, result);
    Py_DECREF(sending);
    if (how == PYGEN_RETURN)
        sent_whole(self);
    else if (how == PYGEN_ERROR)
        sending_failed(self);
    return how;
}

/* Has StopIteration carry what a coroutine has returned. */
static PyObject *
stopped_with(PyObject *result)
{
    PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);

    Py_DECREF(result);
    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    return NULL;
}

static PyObject *
ending_send(PyObject *self, PyObject *value)
{
    PyObject *result = NULL;

    return ending_step(self, value, &result) == PYGEN_RETURN ? stopped_with(result) : result;
}

static PyObject *
ending_next(PyObject *self)
{
    return ending_send(self, Py_None);
}

static PyObject *
ending_throw(Ending *self, PyObject *args)
{
    PyObject *method = PyObject_GetAttr(self->sending, name_throw);
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, NULL);

    Py_XDECREF(method);
    if (result != NULL)
        return result;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        if (self->begun)
            sending_failed(self);
        return NULL;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    sent_whole(self);
    PyErr_Restore(type, error, traceback);
    return NULL;
}

static PyObject *
ending_close(Ending *self, PyObject *ignored)
{
    PyObject *result = PyObject_CallMethodObjArgs(self->sending, name_close, NULL);

    if (result != NULL && self->begun && !self->over) {
        PyErr_SetNone(PyExc_GeneratorExit);
        sending_failed(self);
        PyErr_Clear();
    }
    return result;
}

static PyObject *
ending_await(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *
ending_repr(Ending *self)
{
    return PyObject_Repr(self->sending);
}

static PyObject *
ending_class(Ending *self, void *ignored)
{
    PyObject *type = (PyObject *)Py_TYPE(self->sending);

    Py_INCREF(type);
    return type;
}

static PyObject *
ending_getattro(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(object, name);

    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(((Ending *)object)->sending, name);
}

static PyMethodDef ending_methods[] = {
    {"send", ending_send, METH_O, "send(value): as a coroutine's."},
    {"throw", (PyCFunction)ending_throw, METH_VARARGS, "throw(error): as a coroutine's."},
    {"close", (PyCFunction)ending_close, METH_NOARGS, "close(): as a coroutine's."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ending_getset[] = {
    {"__class__", (getter)ending_class, NULL, "That of the server's coroutine.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ending_slots[] = {
    {Py_tp_doc, "The coroutine that sends the whole body of a plain answer."},
    {Py_am_await, ending_await},
    {Py_am_send, ending_step},
    {Py_tp_iternext, ending_next},
    {Py_tp_getattro, ending_getattro},
    {Py_tp_repr, ending_repr},
    {Py_tp_methods, ending_methods},
    {Py_tp_getset, ending_getset},
    {Py_tp_traverse, ending_traverse},
    {Py_tp_clear, ending_clear},
    {Py_tp_dealloc, ending_dealloc},
    {0, NULL},
};
static PyType_Spec ending_spec = {
    "monagent._native.Ending", sizeof(Ending), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    ending_slots,
};

/* The server's `send` of the whole body, and its end. */
static PyObject *
ends(Exchange *self, PyObject *send, PyObject *message)
{
    if (!gives_coroutines(send))
        return PyObject_CallMethodObjArgs((PyObject *)self, name_ending, message, NULL);
    Ending *ending = (Ending *)((allocfunc)PyType_GetSlot(Ending_Type, Py_tp_alloc))(Ending_Type, 0);
    if (ending == NULL)
        return NULL;
    Py_INCREF(self);
    ending->request = self;
    ending->sending = PyObject_CallFunctionObjArgs(send, message, NULL);
    if (ending->sending == NULL)
        Py_CLEAR(ending);
    return (PyObject *)ending;
}

/* The application's `send`, as the class of its requests has it: `_asgi_request.Request.sending`
   is the same in Python, and takes what is not plain. */
static PyObject *
sends(PyObject *object, PyObject *args, PyObject *kwargs)
{
    if (!is_exchange(object)) {
        PyErr_SetString(PyExc_TypeError, "expected a request");
        return NULL;
    }
    Exchange *self = (Exchange *)object;
    PyObject *send = self->send;

    if (PyTuple_Size(args) == 1 && send != NULL && (kwargs == NULL || PyDict_Size(kwargs) == 0)) {
        PyObject *message = PyTuple_GetItem(args, 0), *result = NULL;
        enum said what = note(self, message);
        PyErr_Clear();
        if (what != OTHER) {
            Py_INCREF(send);
            result = what == WHOLE ? ends(self, send, message) :
                PyObject_CallFunctionObjArgs(send, message, NULL);
            Py_DECREF(send);
            return result;
        }
    }
    PyObject *method = PyObject_GetAttr(object, name_sending);
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
    Py_XDECREF(method);
    return result;
}

static PyType_Slot sender_slots[] = {
    {Py_tp_doc, "What makes a request the application's `send`."},
    {Py_tp_call, sends},
    {0, NULL},
};
static PyType_Spec sender_spec = {
    "monagent._native.Sender", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, sender_slots,
};

static PyMethodDef functions[] = {
    {"arrived_asgi", (PyCFunction)(void (*)(void))arrived_asgi, METH_FASTCALL, arrived_asgi_doc},
    {"asks", asks, METH_O, asks_doc},
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
    {&name_function, "__func__"},
    {&name_code, "__code__"},
    {&name_flags, "co_flags"},
    {&name_sent_all, "sent_all"},
    {&name_gone, "gone"},
    {&name_interrupted, "interrupted"},
    {&name_sending, "sending"},
    {&name_ending, "ending"},
    {&name_throw, "throw"},
    {&name_close, "close"},
};

int
add_asgi(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Ending_Type = made(module, "Ending", &ending_spec);
    return Ending_Type == NULL || made(module, "Sender", &sender_spec) == NULL ? -1 : 0;
}
