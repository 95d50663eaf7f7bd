/* The plain path of an HTTP request in C: what a request is filled with, what most of its messages
   say, and the additions at its end.

   Whatever is not plain (an exception, an event stream, a client that left, types of one's own) is
   handed back, and goes the way that is written in Python beside every call of these functions:
   monagent.conventions._exchange, _arrivals, integrations._asgi_request, _wsgi_request.  Without
   this file all requests go that way.

   One binary for all CPythons from 3.10 on: https://docs.python.org/3/c-api/stable.html

   Between reading where a shard's cells lie and adding to them nothing of Python's runs, so neither
   another thread nor a fork nor growth comes in between; every index is checked against the size. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030a0000
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

/* Exported by 3.10 as well, which does not count it to the stable interface yet.
   https://docs.python.org/3/c-api/buffer.html#c.Py_buffer */
typedef struct {
    void *buf;
    PyObject *obj;
    Py_ssize_t len, itemsize;
    int readonly, ndim;
    char *format;
    Py_ssize_t *shape, *strides, *suboffsets;
    void *internal;
} Buffer;
extern int PyObject_GetBuffer(PyObject *, Buffer *, int);
extern void PyBuffer_Release(Buffer *);
#define CONTIGUOUS_WRITABLE (0x0001 | 0x0008)

#define MOST_EDGES 64

static PyObject *no_text, *unmatched, *zero, *no_arguments;
static PyObject *key, *name_add, *name_cell, *name_enders;
static PyObject *name_scheme, *name_method, *name_type, *name_status, *name_headers, *name_trailers,
    *name_more_body, *name_body, *type_start, *type_body;
static PyObject *name_url_scheme, *name_request_method, *name_length, *name_encoding,
    *name_request_start, *name_queue_start, *name_server_software;
static PyObject *name_starting_response, *name_writing, *name_passed, *name_all_passed, *name_broke,
    *name_stopped, *name_close;


static double
now(void)
{
    struct timespec time; /* As time.perf_counter of CPython on Linux. */

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* What is told of an exception of ours where no caller of ours can take it. */
static PyObject *failed;

/* Tells of the exception that is set, and clears it. */
static void
report(void)
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

PyDoc_STRVAR(failures_go_to_doc, "failures_go_to(failed): `failed` gets our own exceptions.");

static PyObject *
failures_go_to(PyObject *module, PyObject *given)
{
    PyObject *before = failed;

    Py_INCREF(given);
    failed = given;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

/* Frees an object, after `clear` has let go of what it holds. */
static void
release(PyObject *self, inquiry clear)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    clear(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------------------- cells */

/* The view that was met last, held so that no other can come to lie where it lay. */
static PyObject *view_met;
static double *cells_met;
static Py_ssize_t cells_count;

/* The cells of the shard whose `mem` this is; NULL without an exception where it has none now, as
   that of a child that has not recorded yet. */
static double *
cells_of(PyObject *mem, Py_ssize_t *count)
{
    PyObject *view = PyList_GetItem(mem, 0); /* borrowed */

    if (view == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (view != view_met) {
        Buffer buffer;

        if (Py_TYPE(view) != &PyMemoryView_Type)
            return NULL;
        if (PyObject_GetBuffer(view, &buffer, CONTIGUOUS_WRITABLE) < 0) {
            PyErr_Clear();
            return NULL;
        }
        PyObject *before = view_met;
        Py_INCREF(view);
        view_met = view;
        cells_met = buffer.buf;
        cells_count = buffer.len / (Py_ssize_t)sizeof(double);
        PyBuffer_Release(&buffer);
        Py_XDECREF(before); /* It may run anything. */
        if (PyList_GetItem(mem, 0) != view_met) {
            PyErr_Clear();
            return NULL;
        }
    }
    *count = cells_count;
    return cells_met;
}

/* Adds 1 to the first cell that `recorder` adds to: its place is `index` in `mem`. */
static int
add_one(PyObject *mem, Py_ssize_t index, PyObject *recorder)
{
    Py_ssize_t count;
    double *cells = cells_of(mem, &count);

    if (cells != NULL && index >= 0 && index < count) {
        cells[index] += 1.0;
        return 0;
    }
    PyObject *one = PyFloat_FromDouble(1.0);
    PyObject *done = one == NULL ? NULL : PyObject_CallFunctionObjArgs(recorder, one, NULL);
    Py_XDECREF(one);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

typedef struct {
    Py_ssize_t at;
    int edges;
    double edge[MOST_EDGES];
} Place;

/* From (index, edges), as `fused.place` tells it of a histogram. */
static int
place_from(PyObject *at, PyObject *edges, Place *place)
{
    Py_ssize_t count = PyTuple_Size(edges);

    if (count < 0)
        return -1;
    if (count > MOST_EDGES) {
        PyErr_Format(PyExc_ValueError, "found %zd edges, expected at most %d", count, MOST_EDGES);
        return -1;
    }
    place->at = PyLong_AsSsize_t(at);
    place->edges = (int)count;
    for (int i = 0; i < count; i++)
        place->edge[i] = PyFloat_AsDouble(PyTuple_GetItem(edges, i));
    return PyErr_Occurred() ? -1 : 0;
}

/* The bucket of `value`: that of the first edge not below it, as bisect_left finds it. */
static Py_ssize_t
bucket(const Place *place, double value)
{
    int low = 0, high = place->edges;

    while (low < high) {
        int middle = (low + high) / 2;
        if (place->edge[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return place->at + 1 + low;
}

/* Whether all cells of the histogram are among `count`. */
static int
within(const Place *place, Py_ssize_t count)
{
    return place->at >= 0 && place->at + 1 + place->edges < count;
}

/* ---------------------------------------------------------------------------------- exchanges */

/* What monagent.conventions._exchange.Exchange and its subclasses know of a request. */
typedef struct {
    PyObject_HEAD
    PyObject *arrival, *active, *prefix, *route, *script, *status;
    PyObject *receive, *send, *head;         /* over ASGI */
    PyObject *start_response, *write, *body; /* over WSGI */
    double start, first, end;
    Py_ssize_t received, sent;
    int stage;
    char plain, recorded;
} Exchange;

static PyTypeObject *Exchange_Type;

#define OBJECT(name) {#name, T_OBJECT_EX, offsetof(Exchange, name), 0, NULL}
static PyMemberDef exchange_members[] = {
    OBJECT(arrival),
    OBJECT(active),
    OBJECT(prefix),
    OBJECT(route),
    OBJECT(script),
    OBJECT(status),
    OBJECT(receive),
    OBJECT(send),
    OBJECT(head),
    OBJECT(start_response),
    OBJECT(write),
    OBJECT(body),
    {"start", T_DOUBLE, offsetof(Exchange, start), 0, NULL},
    {"first", T_DOUBLE, offsetof(Exchange, first), 0, NULL},
    {"end", T_DOUBLE, offsetof(Exchange, end), 0, NULL},
    {"received", T_PYSSIZET, offsetof(Exchange, received), 0, NULL},
    {"sent", T_PYSSIZET, offsetof(Exchange, sent), 0, NULL},
    {"stage", T_INT, offsetof(Exchange, stage), 0, NULL},
    {"plain", T_BOOL, offsetof(Exchange, plain), 0, NULL},
    {"recorded", T_BOOL, offsetof(Exchange, recorded), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};
#undef OBJECT

static int
exchange_traverse(Exchange *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->arrival);
    Py_VISIT(self->active);
    Py_VISIT(self->prefix);
    Py_VISIT(self->route);
    Py_VISIT(self->script);
    Py_VISIT(self->status);
    Py_VISIT(self->receive);
    Py_VISIT(self->send);
    Py_VISIT(self->head);
    Py_VISIT(self->start_response);
    Py_VISIT(self->write);
    Py_VISIT(self->body);
    return 0;
}

static int
exchange_clear(Exchange *self)
{
    Py_CLEAR(self->arrival);
    Py_CLEAR(self->active);
    Py_CLEAR(self->prefix);
    Py_CLEAR(self->route);
    Py_CLEAR(self->script);
    Py_CLEAR(self->status);
    Py_CLEAR(self->receive);
    Py_CLEAR(self->send);
    Py_CLEAR(self->head);
    Py_CLEAR(self->start_response);
    Py_CLEAR(self->write);
    Py_CLEAR(self->body);
    return 0;
}

static void
exchange_dealloc(PyObject *self)
{
    release(self, (inquiry)exchange_clear);
}

static PyObject *begins(Exchange *, PyObject *const *, Py_ssize_t, PyObject *);

PyDoc_STRVAR(begins_doc,
    "begins(status, headers, exc_info): the application's `start_response`; what is not the start\n"
    "of a plain answer goes on to `starting_response`.");

static PyMethodDef exchange_methods[] = {
    {"begins", (PyCFunction)(void (*)(void))begins, METH_FASTCALL | METH_KEYWORDS, begins_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot exchange_slots[] = {
    {Py_tp_doc, "What is known of a request on its way through a server."},
    {Py_tp_members, exchange_members},
    {Py_tp_methods, exchange_methods},
    {Py_tp_traverse, exchange_traverse},
    {Py_tp_clear, exchange_clear},
    {Py_tp_dealloc, exchange_dealloc},
    {0, NULL},
};
static PyType_Spec exchange_spec = {
    "monagent._native.Exchange", sizeof(Exchange), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, exchange_slots,
};

static int
is_exchange(PyObject *object)
{
    return Py_TYPE(object) == Exchange_Type || PyType_IsSubtype(Py_TYPE(object), Exchange_Type);
}

static void
put(PyObject **field, PyObject *value)
{
    PyObject *before = *field;

    Py_XINCREF(value);
    *field = value;
    Py_XDECREF(before);
}

/* A new `cls`, filled for a request that arrives now and is one of the active ones. */
static Exchange *
arrive(PyObject *cls, PyObject *arrival)
{
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, Exchange_Type)) {
        PyErr_SetString(PyExc_TypeError, "expected a class of exchanges");
        return NULL;
    }
    newfunc make = (newfunc)PyType_GetSlot((PyTypeObject *)cls, Py_tp_new);
    Py_INCREF(arrival); /* What is made may set off a garbage collection, which may run anything. */
    Exchange *self = (Exchange *)make((PyTypeObject *)cls, no_arguments, NULL);
    if (self == NULL) {
        Py_DECREF(arrival);
        return NULL;
    }
    self->arrival = arrival;
    put(&self->prefix, no_text);
    put(&self->route, unmatched);
    put(&self->script, Py_None);
    put(&self->status, zero);
    self->plain = 1;
    self->active = PyObject_GetAttr(arrival, name_add);
    PyObject *place = self->active == NULL ? NULL : PyObject_GetAttr(arrival, name_cell);
    if (place == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    /* (mem, index) */
    PyObject *mem = PyTuple_GetItem(place, 0), *index = PyTuple_GetItem(place, 1);
    int failed = mem == NULL || index == NULL ||
                 add_one(mem, PyLong_AsSsize_t(index), self->active) < 0;
    Py_DECREF(place);
    if (failed) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* The value of a dictionary, borrowed, if it is text; no code of Python's runs. */
static PyObject *
text_of(PyObject *dictionary, PyObject *name)
{
    PyObject *found = PyDict_GetItemWithError(dictionary, name);

    return found != NULL && Py_TYPE(found) == &PyUnicode_Type ? found : NULL;
}

/* What requests of this scheme and method share, borrowed; NULL where none came yet. */
static PyObject *
known(PyObject *arrivals, PyObject *request, PyObject *scheme, PyObject *method)
{
    PyObject *found = text_of(request, scheme);
    PyObject *methods = found == NULL ? NULL : PyDict_GetItemWithError(arrivals, found);

    found = methods == NULL ? NULL : text_of(request, method);
    return found == NULL ? NULL : PyDict_GetItemWithError(methods, found);
}

/* Puts the request into its scope or environ; the time of its arrival comes last. */
static PyObject *
kept(PyObject *holder, Exchange *self)
{
    if (PyDict_SetItem(holder, key, (PyObject *)self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->start = now();
    return (PyObject *)self;
}

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
    if (Py_TYPE(scope) != &PyDict_Type || PyDict_Contains(scope, key))
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
    return value;
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
    if (Py_TYPE(environ) != &PyDict_Type || PyDict_Contains(environ, key) ||
        PyDict_Contains(environ, name_request_start) ||
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

/* ------------------------------------------------------------------------------------- the end */

/* Records requests of one method, scheme, route and status; see `_arrivals.ender`, which makes it
   of the places of all their cells, and of the function that does the same in Python. */
typedef struct {
    PyObject_HEAD
    PyObject *in_python, *another, *due, *pulse, *mem;
    Place duration, first_byte, request, response;
    Py_ssize_t active, none, joint, other;
    double small, fast;
} Ender;

static PyTypeObject *Ender_Type;

static int
ender_traverse(Ender *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->in_python);
    Py_VISIT(self->another);
    Py_VISIT(self->due);
    Py_VISIT(self->pulse);
    Py_VISIT(self->mem);
    return 0;
}

static int
ender_clear(Ender *self)
{
    Py_CLEAR(self->in_python);
    Py_CLEAR(self->another);
    Py_CLEAR(self->due);
    Py_CLEAR(self->pulse);
    Py_CLEAR(self->mem);
    return 0;
}

static void
ender_dealloc(PyObject *self)
{
    release(self, (inquiry)ender_clear);
}

static PyObject *
ender_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *in_python, *another, *due, *pulse, *mem, *at[4], *edges[4];
    Py_ssize_t active, none, joint;
    double small, fast;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOO!OO!n(OO!)(OO!)(OO!)(OO!)nndd", &in_python, &another,
                          &PyList_Type, &due, &pulse, &PyList_Type, &mem, &active,
                          &at[0], &PyTuple_Type, &edges[0], &at[1], &PyTuple_Type, &edges[1],
                          &at[2], &PyTuple_Type, &edges[2], &at[3], &PyTuple_Type, &edges[3],
                          &none, &joint, &small, &fast))
        return NULL;
    Ender *self = (Ender *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    put(&self->in_python, in_python);
    put(&self->another, another);
    put(&self->due, due);
    put(&self->pulse, pulse);
    put(&self->mem, mem);
    self->active = active;
    self->none = none;
    self->joint = joint;
    self->small = small;
    self->fast = fast;
    if (place_from(at[0], edges[0], &self->duration) < 0 ||
        place_from(at[1], edges[1], &self->first_byte) < 0 ||
        place_from(at[2], edges[2], &self->request) < 0 ||
        place_from(at[3], edges[3], &self->response) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The first of the joint cells of small answers whose first byte has a time of its own; negative
   where there can be none, -2 after an exception. */
static Py_ssize_t
other_joint(Ender *self)
{
    if (self->other == 0) {
        PyObject *made = PyObject_CallFunctionObjArgs(self->another, NULL);
        if (made == NULL)
            return -2;
        self->other = PyLong_AsSsize_t(made);
        Py_DECREF(made);
        if (PyErr_Occurred())
            return -2;
    }
    return self->other;
}

static int
record(Ender *self, Exchange *exchange, double active)
{
    double end = exchange->end, first = exchange->first, start = exchange->start;
    Py_ssize_t sent = exchange->sent, received = exchange->received, other = -1, count;

    if (end == 0.0)
        end = exchange->end = now();
    double seconds = end - start;
    int small = (double)sent <= self->small && active != 0.0 && received == 0;
    if (small && first != 0.0 && seconds <= self->fast && (other = other_joint(self)) == -2)
        return -1;

    double *cells = cells_of(self->mem, &count);
    if (cells == NULL || !within(&self->duration, count) || !within(&self->first_byte, count) ||
        !within(&self->request, count) || !within(&self->response, count) ||
        self->active < 0 || self->active >= count || self->none < 0 || self->none >= count ||
        (small && self->joint + 1 + self->duration.edges >= count) || other + 1 >= count) {
        PyObject *value = PyFloat_FromDouble(active);
        PyObject *done = value == NULL ? NULL : PyObject_CallFunctionObjArgs(
            self->in_python, (PyObject *)exchange, value, NULL);
        Py_XDECREF(value);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    exchange->recorded = 1;
    if (small && first == 0.0) {
        Py_ssize_t shift = self->joint - self->duration.at;
        cells[self->joint] += seconds;
        cells[bucket(&self->duration, seconds) + shift] += 1.0;
        cells[self->response.at] += (double)sent;
    }
    else if (other > 0) {
        cells[other] += seconds;
        cells[other + 1] += 1.0;
        cells[self->first_byte.at] += first - start;
        cells[self->response.at] += (double)sent;
    }
    else {
        double to_first = first != 0.0 ? first - start : seconds;
        cells[self->active] -= active;
        cells[self->duration.at] += seconds;
        cells[bucket(&self->duration, seconds)] += 1.0;
        cells[self->first_byte.at] += to_first;
        cells[bucket(&self->first_byte, to_first)] += 1.0;
        cells[self->request.at] += (double)received;
        cells[received ? bucket(&self->request, (double)received) : self->none] += 1.0;
        cells[self->response.at] += (double)sent;
        cells[bucket(&self->response, (double)sent)] += 1.0;
    }
    put(&exchange->active, Py_None); /* From here on anything may run. */
    PyObject *due = PyList_GetItem(self->due, 0);
    if (due == NULL)
        return -1;
    if (end > PyFloat_AsDouble(due)) {
        PyObject *when = PyFloat_FromDouble(end);
        PyObject *done = when == NULL ? NULL :
            PyObject_CallFunctionObjArgs(self->pulse, when, NULL);
        Py_XDECREF(when);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    return 0;
}

static PyObject *
ender_call(Ender *self, PyObject *args, PyObject *kwargs)
{
    PyObject *exchange;
    double active;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!d", Exchange_Type, &exchange, &active))
        return NULL;
    if (record(self, (Exchange *)exchange, active) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyType_Slot ender_slots[] = {
    {Py_tp_doc, "Ends a request of certain labels: see monagent.conventions._arrivals.ender."},
    {Py_tp_new, ender_new},
    {Py_tp_call, ender_call},
    {Py_tp_traverse, ender_traverse},
    {Py_tp_clear, ender_clear},
    {Py_tp_dealloc, ender_dealloc},
    {0, NULL},
};
static PyType_Spec ender_spec = {
    "monagent._native.Ender", sizeof(Ender), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    ender_slots,
};

/* Ends a plain answer whose ender is known: 1 done, 0 not one of those, -1 an exception. */
static int
end_plain(Exchange *self)
{
    if (!self->plain || self->recorded || self->arrival == NULL || self->status == NULL ||
        self->route == NULL)
        return 0;
    PyObject *enders = PyObject_GetAttr(self->arrival, name_enders);
    if (enders == NULL)
        return -1;
    PyObject *routes = PyDict_GetItemWithError(enders, self->status); /* borrowed */
    PyObject *found = routes == NULL ? NULL : PyDict_GetItemWithError(routes, self->route);
    int done = PyErr_Occurred() ? -1 : 0;
    if (found != NULL && Py_TYPE(found) == Ender_Type) {
        Py_INCREF(found);
        done = record((Ender *)found, self, 1.0) < 0 ? -1 : 1;
        Py_DECREF(found);
    }
    Py_DECREF(enders);
    return done;
}

PyDoc_STRVAR(ended_doc,
    "ended(exchange): record a plain answer whose last byte is gone; False of any other, of which\n"
    "nothing is noted.");

static PyObject *
ended(PyObject *module, PyObject *exchange)
{
    if (!is_exchange(exchange)) {
        PyErr_SetString(PyExc_TypeError, "expected an exchange");
        return NULL;
    }
    int done = end_plain((Exchange *)exchange);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

/* --------------------------------------------------------------------------------------- ASGI */

static int
equals(PyObject *text, PyObject *expected)
{
    if (text == expected) /* Constants of programs are interned, as ours are. */
        return 1;
    return text != NULL && PyUnicode_Check(text) && PyUnicode_Compare(text, expected) == 0;
}

static int
lower_equals(const char *text, const char *expected, Py_ssize_t length)
{
    for (Py_ssize_t i = 0; i < length; i++)
        if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) != expected[i])
            return 0;
    return 1;
}

#define CONTENT_TYPE "content-type"
#define EVENTS "text/event-stream"

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
    if (status == NULL || Py_TYPE(status) != &PyLong_Type || self->status != zero ||
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

/* --------------------------------------------------------------------------------------- WSGI */

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

/* The codes of statuses met, by their text. */
static PyObject *codes;

static PyObject *
code_of(PyObject *status)
{
    PyObject *code = PyDict_GetItemWithError(codes, status); /* borrowed */
    Py_ssize_t length;

    if (code != NULL || PyErr_Occurred())
        return code;
    const char *text = PyUnicode_AsUTF8AndSize(status, &length);
    if (text == NULL || length < 4 || text[3] != ' ' || text[0] < '1' || text[0] > '9' ||
        text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9' ||
        PyDict_Size(codes) >= 1000)
        return NULL;
    PyObject *made =
        PyLong_FromLong((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    if (made == NULL || PyDict_SetItem(codes, status, made) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    Py_DECREF(made);
    return made; /* which the dictionary holds */
}

static PyObject *
begins(Exchange *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *server = self->start_response;
    PyObject *code = NULL;

    if (count == 2 && names == NULL && server != NULL && self->plain && self->first == 0.0 &&
        Py_TYPE(args[0]) == &PyUnicode_Type && no_event_texts(args[1]))
        code = code_of(args[0]);
    PyErr_Clear();
    if (code != NULL) {
        put(&self->status, code);
        Py_INCREF(server);
        PyObject *write = PyObject_CallFunctionObjArgs(server, args[0], args[1], NULL);
        Py_DECREF(server);
        if (write == NULL)
            return NULL;
        put(&self->write, write);
        Py_DECREF(write);
        return PyObject_GetAttr((PyObject *)self, name_writing);
    }
    PyObject *method = PyObject_GetAttr((PyObject *)self, name_starting_response);
    PyObject *given = PyTuple_New(count), *named = NULL, *result = NULL;
    if (method == NULL || given == NULL)
        goto done;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(given, i, args[i]);
    }
    if (names != NULL) {
        if ((named = PyDict_New()) == NULL)
            goto done;
        for (Py_ssize_t i = 0; i < PyTuple_Size(names); i++)
            if (PyDict_SetItem(named, PyTuple_GetItem(names, i), args[count + i]) < 0)
                goto done;
    }
    result = PyObject_Call(method, given, named);
done:
    Py_XDECREF(method);
    Py_XDECREF(given);
    Py_XDECREF(named);
    return result;
}

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
        report();
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
            report();
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

static PyMethodDef body_methods[] = {
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

/* ------------------------------------------------------------------------------------- module */

/* The objects above belong to one interpreter; others of its process may find this module too. */
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
    {"arrived_asgi", (PyCFunction)(void (*)(void))arrived_asgi, METH_FASTCALL, arrived_asgi_doc},
    {"arrived_wsgi", (PyCFunction)(void (*)(void))arrived_wsgi, METH_FASTCALL, arrived_wsgi_doc},
    {"counted", (PyCFunction)(void (*)(void))counted, METH_FASTCALL, counted_doc},
    {"ended", ended, METH_O, ended_doc},
    {"failures_go_to", failures_go_to, METH_O, failures_go_to_doc},
    {"is_first", is_first, METH_NOARGS, is_first_doc},
    {"said", (PyCFunction)(void (*)(void))said, METH_FASTCALL, said_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "monagent._native", "The plain path of an HTTP request.", -1, methods,
    NULL, NULL, NULL, NULL,
};

static const struct {
    PyObject **object;
    const char *text;
} texts[] = {
    {&no_text, ""},
    {&unmatched, "unmatched"},
    {&name_add, "add"},
    {&name_cell, "cell"},
    {&name_enders, "enders"},
    {&name_type, "type"},
    {&name_status, "status"},
    {&name_headers, "headers"},
    {&name_trailers, "trailers"},
    {&name_more_body, "more_body"},
    {&name_body, "body"},
    {&key, "monagent.exchange"},
    {&name_scheme, "scheme"},
    {&name_method, "method"},
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
    {&type_start, "http.response.start"},
    {&type_body, "http.response.body"},
};

static PyTypeObject *
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

PyMODINIT_FUNC
PyInit__native(void)
{
    if (!first_interpreter()) {
        PyErr_SetString(PyExc_ImportError, "for the first interpreter alone");
        return NULL;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i].object = PyUnicode_InternFromString(texts[i].text);
        if (*texts[i].object == NULL)
            return NULL;
    }
    zero = PyLong_FromLong(0);
    no_arguments = PyTuple_New(0);
    codes = PyDict_New();
    PyObject *module = PyModule_Create(&definition);
    if (zero == NULL || no_arguments == NULL || codes == NULL || module == NULL)
        return NULL;
    Exchange_Type = made(module, "Exchange", &exchange_spec);
    Ender_Type = made(module, "Ender", &ender_spec);
    Body_Type = made(module, "Body", &body_spec);
    if (Exchange_Type == NULL || Ender_Type == NULL || Body_Type == NULL) {
        Py_DECREF(module);
        return NULL;
    }
    /* A file that an older or newer tree has left is known by it. */
    if (PyModule_AddIntConstant(module, "INTERFACE", 1) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
