/* Over WSGI: https://peps.python.org/pep-3333/ */

#include "exchange.h"
#include "headers.h"

static PyObject *name_url_scheme, *name_request_method, *name_length, *name_encoding,
    *name_request_start, *name_queue_start, *name_server_software;
static PyObject *name_starting_response, *name_writing, *name_passed, *name_all_passed, *name_broke,
    *name_stopped, *name_close;

/* Bytes that are believed where they are declared: `_wsgi_input.BELIEVED`. */
#define BELIEVED 65536

/* Bytes of a request's body; -1 where that is not sure. */
static Py_ssize_t
declared(PyObject *environ)
{
    Py_ssize_t length, value = 0;
    PyObject *said = PyDict_GetItemWithError(environ, name_length);

    if (said == NULL)
        return 0;
    const char *text =
        Py_TYPE(said) == &PyUnicode_Type ? PyUnicode_AsUTF8AndSize(said, &length) : NULL;
    if (text == NULL || length < 1 || length > 9)
        return -1;
    for (Py_ssize_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value > BELIEVED ? -1 : value;
}

/* The class whose method, or whose instance, a server gave as `start_response`, as it did last. */
static PyObject *server;

PyDoc_STRVAR(started_with_doc,
    "started_with(cls): a server's `start_response` is of this class, or a method of it.");

static PyObject *
started_with(PyObject *module, PyObject *cls)
{
    put(&server, cls);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(arrived_wsgi_doc,
    "arrived_wsgi(cls, arrivals, environ, start_response): a request over WSGI that arrives now;\n"
    "None of any that is not plain, or is known already.");

static PyObject *
arrived_wsgi(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || Py_TYPE(args[1]) != &PyDict_Type) {
        PyErr_SetString(PyExc_TypeError, "expected cls, arrivals, environ, start_response");
        return NULL;
    }
    PyObject *environ = args[2];
    if (Py_TYPE(environ) != &PyDict_Type || PyDict_Contains(environ, exchange_key) ||
        is_handed_on(args[0], args[3], server) || PyDict_Contains(environ, name_request_start) ||
        PyDict_Contains(environ, name_queue_start) || PyDict_Contains(environ, name_encoding))
        Py_RETURN_NONE;
    PyObject *arrival = known(args[1], environ, name_url_scheme, name_request_method);
    Py_ssize_t received = arrival == NULL ? -1 : declared(environ);
    if (received < 0) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    Exchange *self = arrive(args[0], arrival);
    if (self == NULL)
        return NULL;
    self->received = received;
    put(&self->start_response, args[3]);
    return kept(environ, self);
}

/* As `no_events`, of pairs of text. */
static int
no_event_texts(PyObject *headers)
{
    if (Py_TYPE(headers) != &PyList_Type)
        return 0;
    Py_ssize_t count = PyList_Size(headers), length;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (Py_TYPE(pair) != &PyTuple_Type || PyTuple_Size(pair) != 2)
            return 0;
        PyObject *name = PyTuple_GetItem(pair, 0), *value = PyTuple_GetItem(pair, 1);
        if (Py_TYPE(name) != &PyUnicode_Type || Py_TYPE(value) != &PyUnicode_Type)
            return 0;
        const char *text = PyUnicode_AsUTF8AndSize(name, &length);
        if (text == NULL) {
            PyErr_Clear();
            return 0;
        }
        if (length != sizeof CONTENT_TYPE - 1 ||
            !lower_equals(text, CONTENT_TYPE, sizeof CONTENT_TYPE - 1))
            continue;
        text = PyUnicode_AsUTF8AndSize(value, &length);
        if (text == NULL) {
            PyErr_Clear();
            return 0;
        }
        return length < (Py_ssize_t)sizeof EVENTS - 1 ||
               memcmp(text, EVENTS, sizeof EVENTS - 1) != 0;
    }
    return 1;
}

/* The code that a status begins with, borrowed; NULL where that is not as PEP 3333 has it. */
static PyObject *
code_of(PyObject *status)
{
    static PyObject *codes[900]; /* from 100 on */
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(status, &length);

    if (text == NULL || length < 4 || text[3] != ' ' || text[0] < '1' || text[0] > '9' ||
        text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9')
        return NULL;
    int code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    PyObject **made = &codes[code - 100];
    if (*made == NULL)
        *made = PyLong_FromLong(code);
    return *made;
}

/* What the application's `start_response` gives, for the start of a plain answer. */
static PyObject *
begin(Exchange *self, PyObject *status, PyObject *headers, PyObject *code)
{
    PyObject *server = self->start_response, *before = self->status;

    Py_XINCREF(before);
    put(&self->status, code);
    Py_INCREF(server);
    PyObject *write = PyObject_CallFunctionObjArgs(server, status, headers, NULL);
    Py_DECREF(server);
    if (write == NULL) { /* The server has refused it. */
        put(&self->status, before);
        Py_XDECREF(before);
        return NULL;
    }
    Py_XDECREF(before);
    put(&self->write, write);
    Py_DECREF(write);
    return PyObject_GetAttr((PyObject *)self, name_writing);
}

/* The application's `start_response`, as the class of its requests has it:
   `_wsgi_request.Request.starting_response` is the same in Python, and takes what is not plain. */
static PyObject *
starts(PyObject *object, PyObject *args, PyObject *kwargs)
{
    if (!is_exchange(object)) {
        PyErr_SetString(PyExc_TypeError, "expected a request");
        return NULL;
    }
    Exchange *self = (Exchange *)object;

    if (PyTuple_Size(args) == 2 && (kwargs == NULL || PyDict_Size(kwargs) == 0) &&
        self->start_response != NULL && self->plain && self->first == 0.0) {
        PyObject *status = PyTuple_GetItem(args, 0), *headers = PyTuple_GetItem(args, 1);
        PyObject *code = NULL;
        if (Py_TYPE(status) == &PyUnicode_Type && no_event_texts(headers))
            code = code_of(status);
        if (code != NULL)
            return begin(self, status, headers, code);
        PyErr_Clear();
    }
    PyObject *method = PyObject_GetAttr(object, name_starting_response);
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
    Py_XDECREF(method);
    return result;
}

static PyType_Slot starter_slots[] = {
    {Py_tp_doc, "What makes a request the application's `start_response`."},
    {Py_tp_call, starts},
    {0, NULL},
};
static PyType_Spec starter_spec = {
    "monagent._native.Starter", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, starter_slots,
};

/* Stands in for a response's iterable: hands its items on and counts them; what else it has is the
   application's.  What is not plain, and exceptions, are the request's in Python: `passed`,
   `all_passed`, `broke`, `stopped`. */
typedef struct {
    PyObject_HEAD
    Exchange *request;
    PyObject *body, *iterator;
    char over, closed;
} Body;

static PyTypeObject *Body_Type;

static int
body_traverse(Body *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->request);
    Py_VISIT(self->body);
    Py_VISIT(self->iterator);
    return 0;
}

static int
body_clear(Body *self)
{
    Py_CLEAR(self->request);
    Py_CLEAR(self->body);
    Py_CLEAR(self->iterator);
    return 0;
}

static void
body_dealloc(PyObject *self)
{
    release(self, (inquiry)body_clear);
}

PyDoc_STRVAR(counted_doc,
    "counted(body, request, environ, unsized): what a server gets in place of an iterable of one of\n"
    "the classes `unsized`; None where it is not plain.");

static PyObject *
counted(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !is_exchange(args[1])) {
        PyErr_SetString(PyExc_TypeError, "expected body, request, environ, unsized");
        return NULL;
    }
    int plain = PySet_Contains(args[3], (PyObject *)Py_TYPE(args[0]));
    if (plain == 1 && Py_TYPE(args[2]) != &PyDict_Type)
        plain = 0;
    if (plain == 1)
        plain = PyDict_Contains(args[2], name_server_software);
    if (plain < 0)
        return NULL;
    if (!plain)
        Py_RETURN_NONE;
    Body *self = (Body *)((allocfunc)PyType_GetSlot(Body_Type, Py_tp_alloc))(Body_Type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(args[1]);
    self->request = (Exchange *)args[1];
    put(&self->body, args[0]);
    return (PyObject *)self;
}

/* Calls a method of the request's; the program's exception, if there is one, is put aside. */
static void
tell(Body *self, PyObject *method, PyObject *value)
{
    PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self->request, method, value, NULL);

    if (done == NULL)
        report(http_failed);
    Py_XDECREF(done);
}

static PyObject *
body_next(Body *self)
{
    PyObject *type, *error, *traceback, *item = NULL;

    if (self->over || self->request == NULL)
        return NULL;
    if (self->iterator == NULL && self->body != NULL)
        self->iterator = PyObject_GetIter(self->body);
    if (self->iterator != NULL) {
        PyObject *iterator = self->iterator;
        Py_INCREF(iterator); /* The application may close the body meanwhile. */
        item = PyIter_Next(iterator);
        Py_DECREF(iterator);
    }
    if (item != NULL) {
        Exchange *request = self->request;
        if (Py_TYPE(item) == &PyBytes_Type && request->plain) {
            Py_ssize_t size = PyBytes_Size(item);
            if (size > 0) {
                if (request->first == 0.0)
                    request->first = now();
                request->sent += size;
            }
        }
        else
            tell(self, name_passed, item);
        return item;
    }
    self->over = 1;
    if (!PyErr_Occurred()) {
        int done = self->request->end == 0.0 ? end_plain(self->request) : 1;
        if (done < 0)
            report(http_failed);
        else if (done == 0)
            tell(self, name_all_passed, NULL);
        return NULL;
    }
    if (PyErr_ExceptionMatches(PyExc_GeneratorExit))
        return NULL;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(error, traceback);
    tell(self, name_broke, error);
    PyErr_Restore(type, error, traceback);
    return NULL;
}

static PyObject *
body_iter(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

PyDoc_STRVAR(close_doc, "close(): what the server calls at the end.");

static PyObject *
body_close(Body *self, PyObject *ignored)
{
    Exchange *request = self->request;

    if (self->closed || request == NULL)
        Py_RETURN_NONE;
    self->closed = 1;
    if (request->end == 0.0)
        tell(self, name_stopped, NULL);
    /* The server holds the environ that the request lies in: no circle is to be left. */
    put(&request->start_response, Py_None);
    put(&request->write, Py_None);
    PyObject *close = self->body == NULL ? NULL : PyObject_GetAttr(self->body, name_close);
    if (close == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_AttributeError))
            return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *done = PyObject_CallFunctionObjArgs(close, NULL);
    Py_DECREF(close);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    Py_RETURN_NONE;
}

static PyObject *
body_getattro(Body *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr((PyObject *)self, name);

    if (found != NULL || self->body == NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(self->body, name);
}

PyDoc_STRVAR(bytes_doc, "__bytes__(): what the application's own gives.");

static PyObject *
body_bytes(Body *self, PyObject *ignored)
{
    return PyObject_Bytes(self->body == NULL ? Py_None : self->body);
}

static PyMethodDef body_methods[] = {
    {"__bytes__", (PyCFunction)body_bytes, METH_NOARGS, bytes_doc},
    {"close", (PyCFunction)body_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot body_slots[] = {
    {Py_tp_doc, "The iterable of a response over WSGI, counted on its way to the server."},
    {Py_tp_iter, body_iter},
    {Py_tp_iternext, body_next},
    {Py_tp_getattro, body_getattro},
    {Py_tp_methods, body_methods},
    {Py_tp_traverse, body_traverse},
    {Py_tp_clear, body_clear},
    {Py_tp_dealloc, body_dealloc},
    {0, NULL},
};
static PyType_Spec body_spec = {
    "monagent._native.Body", sizeof(Body), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, body_slots,
};

static PyMethodDef functions[] = {
    {"arrived_wsgi", (PyCFunction)(void (*)(void))arrived_wsgi, METH_FASTCALL, arrived_wsgi_doc},
    {"started_with", started_with, METH_O, started_with_doc},
    {"counted", (PyCFunction)(void (*)(void))counted, METH_FASTCALL, counted_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&name_url_scheme, "wsgi.url_scheme"},
    {&name_request_method, "REQUEST_METHOD"},
    {&name_length, "CONTENT_LENGTH"},
    {&name_encoding, "HTTP_TRANSFER_ENCODING"},
    {&name_request_start, "HTTP_X_REQUEST_START"},
    {&name_queue_start, "HTTP_X_QUEUE_START"},
    {&name_server_software, "SERVER_SOFTWARE"},
    {&name_starting_response, "starting_response"},
    {&name_writing, "writing"},
    {&name_passed, "passed"},
    {&name_all_passed, "all_passed"},
    {&name_broke, "broke"},
    {&name_stopped, "stopped"},
    {&name_close, "close"},
};

int
add_wsgi(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0 ||
        made(module, "Starter", &starter_spec) == NULL)
        return -1;
    Body_Type = made(module, "Body", &body_spec);
    return Body_Type == NULL ? -1 : 0;
}
