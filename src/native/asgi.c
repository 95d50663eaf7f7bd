/* Over ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html */

#include "exchange.h"
#include "headers.h"

static PyObject *name_scheme, *name_method, *name_type, *name_status, *name_headers, *name_trailers,
    *name_more_body, *name_body, *name_sending, *name_send, *name_self, *type_start,
    *type_body;

/* The texts of those types that were met last: a framework's constants are the same each time. */
static PyObject *start_met, *body_met;

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

/* The class whose method, or whose instance, a server gave as `receive`, as it did last. */
static PyObject *server;

PyDoc_STRVAR(served_with_doc,
    "served_with(cls): a server's `receive` is of this class, or a method of it.");

static PyObject *
served_with(PyObject *module, PyObject *cls)
{
    put(&server, cls);
    Py_RETURN_NONE;
}

Exchange *
asgi_arrival(PyObject *cls, PyObject *arrivals, PyObject *scope, PyObject *receive, PyObject *send)
{
    PyObject *arrival = known(arrivals, scope, name_scheme, name_method);
    if (arrival == NULL || !no_stamp(PyDict_GetItemWithError(scope, name_headers)) ||
        may_hold(cls, send) || is_handed_on(cls, receive, server)) {
        PyErr_Clear();
        return NULL;
    }
    Exchange *self = arrive(cls, arrival);
    if (self == NULL)
        return NULL;
    put(&self->receive, receive);
    put(&self->send, send);
    return (Exchange *)kept(scope, self);
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
    if (Py_TYPE(args[2]) != &PyDict_Type || PyDict_Contains(args[2], exchange_key))
        Py_RETURN_NONE;
    Exchange *request = asgi_arrival(args[0], args[1], args[2], args[3], args[4]);
    if (request != NULL || PyErr_Occurred())
        return (PyObject *)request;
    Py_RETURN_NONE;
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

PyDoc_STRVAR(left_doc,
    "left(scope, request): the application is through with the request, which lies in the scope no\n"
    "more; whether it is recorded. None where the scope is no dictionary, and nothing was done.");

static PyObject *
left(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !is_exchange(args[1])) {
        PyErr_SetString(PyExc_TypeError, "expected scope, request");
        return NULL;
    }
    if (Py_TYPE(args[0]) != &PyDict_Type)
        Py_RETURN_NONE;
    if (PyDict_DelItem(args[0], exchange_key) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_KeyError))
            return NULL;
        PyErr_Clear();
    }
    return PyBool_FromLong(((Exchange *)args[1])->recorded);
}

/* What a message of the application says, borrowed; what it does not is NULL. */
typedef struct {
    PyObject *type, *status, *headers, *trailers, *body, *more_body;
} Message;

/* Whether the message has plain keys alone; nothing of Python's runs. */
static int
read_message(PyObject *message, Message *read)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    memset(read, 0, sizeof *read);
    while (PyDict_Next(message, &at, &key, &value)) {
        if (key == name_type)
            read->type = value;
        else if (key == name_body)
            read->body = value;
        else if (key == name_status)
            read->status = value;
        else if (key == name_headers)
            read->headers = value;
        else if (key == name_more_body)
            read->more_body = value;
        else if (key == name_trailers)
            read->trailers = value;
        else
            return 0;
    }
    return read->type != NULL;
}

static int
is_false(PyObject *value)
{
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

/* The attribute of whose method the request's `send` or `receive` is; `which` is (method, name). */
static PyObject *
said_of(PyObject *which, Exchange *self)
{
    int by_send = equals(PyTuple_GetItem(which, 0), name_send);
    PyObject *method = by_send ? self->send : self->receive;
    if (method == NULL) {
        PyErr_SetString(PyExc_AttributeError, "send, receive");
        return NULL;
    }
    PyObject *owner = PyObject_GetAttr(method, name_self);
    if (owner == NULL)
        return NULL;
    PyObject *found = PyObject_GetAttr(owner, PyTuple_GetItem(which, 1));
    Py_DECREF(owner);
    return found;
}

static PyObject *
leaver(PyObject *which, PyObject *request)
{
    if (!is_exchange(request)) {
        PyErr_SetString(PyExc_TypeError, "expected a request");
        return NULL;
    }
    return said_of(which, (Exchange *)request);
}

static PyMethodDef leaver_function = {
    "leaver", leaver, METH_O, "leaver(request): what the server says of its client's leave."};

PyDoc_STRVAR(leavers_doc,
    "leavers(method, name): a function that gives, of a request, the attribute of this name of the\n"
    "object whose method its `send` or `receive` is.");

static PyObject *
leavers(PyObject *module, PyObject *args)
{
    PyObject *method, *name;

    if (!PyArg_ParseTuple(args, "UU", &method, &name))
        return NULL;
    return PyCFunction_New(&leaver_function, args);
}

/* Whether nothing is known of the client's leave; it is asked once more where that is not sure. */
static int
is_there(Exchange *self)
{
    if (gone == NULL || PyList_Size(gone) == 0)
        return 1;
    PyObject *asking = PyList_GetItem(gone, 0), *asked;
    if (Py_TYPE(asking) == &PyCFunction_Type && PyCFunction_GetFunction(asking) == leaver)
        asked = said_of(PyCFunction_GetSelf(asking), self);
    else
        asked = PyObject_CallFunctionObjArgs(asking, (PyObject *)self, NULL);
    int left = asked == Py_False ? 0 : asked == NULL ? -1 : PyObject_IsTrue(asked);
    Py_XDECREF(asked);
    leave();
    return left == 0;
}

enum said { OTHER, START, WHOLE };

static enum said
meant(PyObject *type)
{
    if (type == start_met)
        return START;
    if (type == body_met)
        return WHOLE;
    enum said what = equals(type, type_start) ? START : equals(type, type_body) ? WHOLE : OTHER;
    if (what != OTHER)
        put(what == START ? &start_met : &body_met, type);
    return what;
}

/* Notes the start of a plain answer or its whole body; of anything else nothing. */
static enum said
note(Exchange *self, PyObject *message)
{
    if (Py_TYPE(message) != &PyDict_Type || self->stage || !self->plain || self->recorded)
        return OTHER;
    Message said;
    if (!read_message(message, &said))
        return OTHER;
    enum said what = meant(said.type);
    if (what == WHOLE) {
        PyObject *body = said.body;
        if (body == NULL || Py_TYPE(body) != &PyBytes_Type || !is_false(said.more_body))
            return OTHER;
        self->sent = PyBytes_Size(body);
        self->stage = 2;
        return WHOLE;
    }
    PyObject *status = said.status;
    if (what == OTHER || status == NULL || Py_TYPE(status) != &PyLong_Type ||
        self->status != no_status || !is_false(said.trailers) || !no_events(said.headers))
        return OTHER;
    Py_INCREF(status);
    put(&self->head, message); /* What tells who has left may look at it. */
    int there = is_there(self);
    if (there)
        put(&self->status, status);
    Py_DECREF(status);
    return there ? START : OTHER;
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

/* What the server's `send` is called, which who traces middleware names its spans by. */
static PyObject *
senders(PyObject *object, void *name)
{
    PyObject *send = is_exchange(object) ? ((Exchange *)object)->send : NULL;
    if (send == NULL) {
        PyErr_SetString(PyExc_AttributeError, name);
        return NULL;
    }
    Py_INCREF(send);
    PyObject *found = PyObject_GetAttrString(send, name);
    Py_DECREF(send);
    return found;
}

static PyGetSetDef sender_getset[] = {
    {"__name__", senders, NULL, "Of the server's `send`.", "__name__"},
    {"__qualname__", senders, NULL, "Of the server's `send`.", "__qualname__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot sender_slots[] = {
    {Py_tp_doc, "What makes a request the application's `send`."},
    {Py_tp_call, sends},
    {Py_tp_getset, sender_getset},
    {0, NULL},
};
static PyType_Spec sender_spec = {
    "monagent._native.Sender", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, sender_slots,
};

static PyMethodDef functions[] = {
    {"arrived_asgi", (PyCFunction)(void (*)(void))arrived_asgi, METH_FASTCALL, arrived_asgi_doc},
    {"served_with", served_with, METH_O, served_with_doc},
    {"left", (PyCFunction)(void (*)(void))left, METH_FASTCALL, left_doc},
    {"leavers", leavers, METH_VARARGS, leavers_doc},
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
    {&name_sending, "sending"},
    {&name_send, "send"},
    {&name_self, "__self__"},
};

int
add_asgi(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    return made(module, "Sender", &sender_spec) == NULL ? -1 : 0;
}
