/* Outgoing calls over HTTP, see monagent.conventions.http_client; and what ends one of any family,
   see monagent.metrics.fused.exchange.

   A function that begins or ends a call hands back, and has noted nothing, where one is not plain:
   the first of a method to a server, an answer to listen to, an error, types of one's own. */

#include "calls.h"

#include <math.h>

static PyObject *name_missing, *name_fields, *name_uri_reference, *name_url,
    *name_method, *name_scheme, *name_host, *name_port, *name_content, *name_history,
    *name_status_code, *name_downloaded, *name_bytes_read, *name_chunked;

/* Ends a call of certain labels, as the function in Python does that it is made with.  What a small
   answer needs lies side by side: between two system calls caches are cold. */
typedef struct {
    PyObject_HEAD
    PyObject *in_python, *mem;
    Py_ssize_t active, none, joint, received, needed;
    double small, fast;
    Place duration, request, response;
} Finish;

static PyTypeObject *Finish_Type;

static int
finish_traverse(Finish *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->in_python);
    Py_VISIT(self->mem);
    return 0;
}

static int
finish_clear(Finish *self)
{
    Py_CLEAR(self->in_python);
    Py_CLEAR(self->mem);
    return 0;
}

static void
finish_dealloc(PyObject *self)
{
    release(self, (inquiry)finish_clear);
}

static Py_ssize_t
larger(Py_ssize_t one, Py_ssize_t other)
{
    return one > other ? one : other;
}

/* How many cells a shard must have for all of these; more than any has if an index is wrong. */
static Py_ssize_t
cells_needed(const Finish *self)
{
    const Place *places[] = {&self->duration, &self->request, &self->response};
    Py_ssize_t last = larger(self->active, self->none);

    if (self->active < 0 || self->none < 0 || (self->small >= 0.0 && self->joint < 0))
        return PY_SSIZE_T_MAX;
    for (int i = 0; i < 3; i++) {
        if (places[i]->at < 0 || places[i]->at > PY_SSIZE_T_MAX / 2)
            return PY_SSIZE_T_MAX;
        last = larger(last, places[i]->at + 1 + places[i]->edges);
    }
    if (self->joint > PY_SSIZE_T_MAX / 2)
        return PY_SSIZE_T_MAX;
    return larger(last, self->joint + 1 + self->duration.edges) + 1;
}

static PyObject *
finish_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *in_python, *mem, *at[3], *edges[3];
    Py_ssize_t active, none, joint;
    double small;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!n(OO!)(OO!)(OO!)nnd", &in_python, &PyList_Type, &mem, &active,
                          &at[0], &PyTuple_Type, &edges[0], &at[1], &PyTuple_Type, &edges[1],
                          &at[2], &PyTuple_Type, &edges[2], &none, &joint, &small))
        return NULL;
    Finish *self = (Finish *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    put(&self->in_python, in_python);
    put(&self->mem, mem);
    self->active = active;
    self->none = none;
    self->joint = joint;
    self->small = small;
    if (place_from(at[0], edges[0], &self->duration) < 0 ||
        place_from(at[1], edges[1], &self->request) < 0 ||
        place_from(at[2], edges[2], &self->response) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->received = self->response.at;
    self->fast = self->duration.edges > 0 ? self->duration.edge[0] : HUGE_VAL;
    self->needed = cells_needed(self);
    return (PyObject *)self;
}

/* Whether the cells could be had. */
static int
recorded(Finish *self, double seconds, Py_ssize_t sent, Py_ssize_t received)
{
    Py_ssize_t count;
    double *cells = cells_of(self->mem, &count);

    if (cells == NULL || count < self->needed)
        return 0;
    /* From the histogram's first cell. */
    Py_ssize_t place =
        seconds <= self->fast ? 1 : bucket(&self->duration, seconds) - self->duration.at;
    if (received >= 0 && (double)received <= self->small && sent == 0) {
        cells[self->joint] += seconds;
        cells[self->joint + place] += 1.0;
        cells[self->received] += (double)received;
        return 1;
    }
    cells[self->active] -= 1.0;
    cells[self->duration.at] += seconds;
    cells[self->duration.at + place] += 1.0;
    if (sent > 0) {
        cells[self->request.at] += (double)sent;
        cells[bucket(&self->request, (double)sent)] += 1.0;
    }
    else if (sent == 0)
        cells[self->none] += 1.0;
    if (received >= 0) {
        cells[self->response.at] += (double)received;
        cells[bucket(&self->response, (double)received)] += 1.0;
    }
    return 1;
}

static PyObject *
finish_call(Finish *self, PyObject *args, PyObject *kwargs)
{
    double seconds;
    Py_ssize_t sent, received;

    if (kwargs == NULL || PyDict_Size(kwargs) == 0) {
        if (PyArg_ParseTuple(args, "dnn", &seconds, &sent, &received) &&
            recorded(self, seconds, sent, received))
            Py_RETURN_NONE;
        PyErr_Clear();
    }
    return PyObject_Call(self->in_python, args, kwargs);
}

static PyType_Slot finish_slots[] = {
    {Py_tp_doc, "Ends a call of certain labels: see monagent.metrics.fused.exchange."},
    {Py_tp_new, finish_new},
    {Py_tp_call, finish_call},
    {Py_tp_traverse, finish_traverse},
    {Py_tp_clear, finish_clear},
    {Py_tp_dealloc, finish_dealloc},
    {0, NULL},
};
static PyType_Spec finish_spec = {
    "monagent._native.Finish", sizeof(Finish), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    finish_slots,
};

/* What monagent.conventions.http_client.Calls knows; `ends` are what ends a call, by status, and
   `end` is what ended the last one, whose status is `ended`. */
typedef struct {
    PyObject_HEAD
    PyObject *active, *mem, *end, *ends, *method, *peer;
    Py_ssize_t at, ended;
    double look;
} Calls;

static PyTypeObject *Calls_Type, *Calls_met;

#define OBJECT(name) {#name, T_OBJECT_EX, offsetof(Calls, name), 0, NULL}
static PyMemberDef calls_members[] = {
    OBJECT(active),
    OBJECT(mem),
    OBJECT(method),
    OBJECT(peer),
    {"at", T_PYSSIZET, offsetof(Calls, at), 0, NULL},
    {"look", T_DOUBLE, offsetof(Calls, look), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};
#undef OBJECT

static int
calls_traverse(Calls *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->end);
    Py_VISIT(self->ends);
    Py_VISIT(self->active);
    Py_VISIT(self->mem);
    Py_VISIT(self->method);
    Py_VISIT(self->peer);
    return 0;
}

static int
calls_clear(Calls *self)
{
    Py_CLEAR(self->end);
    Py_CLEAR(self->ends);
    Py_CLEAR(self->active);
    Py_CLEAR(self->mem);
    Py_CLEAR(self->method);
    Py_CLEAR(self->peer);
    return 0;
}

static void
calls_dealloc(PyObject *self)
{
    release(self, (inquiry)calls_clear);
}

static PyObject *
calls_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Calls *self = (Calls *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);

    if (self == NULL)
        return NULL;
    self->ends = PyDict_New();
    if (self->ends == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *
calls_get(Calls *self, PyObject *status)
{
    PyObject *found = self->ends == NULL ? NULL : PyDict_GetItemWithError(self->ends, status);

    if (found == NULL)
        return PyErr_Occurred() ? NULL
            : PyObject_CallMethodObjArgs((PyObject *)self, name_missing, status, NULL);
    Py_INCREF(found);
    return found;
}

static int
calls_set(Calls *self, PyObject *status, PyObject *finish)
{
    if (self->ends == NULL || finish == NULL) {
        PyErr_SetString(PyExc_TypeError, "expected what ends a call");
        return -1;
    }
    Py_CLEAR(self->end);
    return PyDict_SetItem(self->ends, status, finish);
}

static PyType_Slot calls_slots[] = {
    {Py_tp_doc, "What ends a call of one method to one peer, by the answer's status."},
    {Py_tp_new, calls_new},
    {Py_mp_subscript, calls_get},
    {Py_mp_ass_subscript, calls_set},
    {Py_tp_members, calls_members},
    {Py_tp_traverse, calls_traverse},
    {Py_tp_clear, calls_clear},
    {Py_tp_dealloc, calls_dealloc},
    {0, NULL},
};
static PyType_Spec calls_spec = {
    "monagent._native.Calls", sizeof(Calls), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, calls_slots,
};

static Calls *
as_calls(PyObject *object)
{
    if (Py_TYPE(object) == Calls_met)
        return (Calls *)object;
    if (PyType_IsSubtype(Py_TYPE(object), Calls_Type)) {
        put((PyObject **)&Calls_met, (PyObject *)Py_TYPE(object));
        return (Calls *)object;
    }
    PyErr_SetString(PyExc_TypeError, "expected calls");
    return NULL;
}

/* One more of these calls, borrowed, is under way: them; None where that takes Python. */
static PyObject *
one_more(PyObject *found)
{
    Calls *calls = as_calls(found);

    if (calls == NULL)
        return NULL;
    if (calls->mem == NULL || calls->active == NULL || !PyList_Check(calls->mem))
        Py_RETURN_NONE;
    PyObject *mem = calls->mem, *active = calls->active;
    Py_INCREF(found);
    Py_INCREF(mem);
    Py_INCREF(active);
    int failed = add_one(mem, calls->at, active) < 0;
    Py_DECREF(active);
    Py_DECREF(mem);
    if (failed) {
        Py_DECREF(found);
        return NULL;
    }
    return found;
}

/* What the last call of this method went to, in as many parts, its calls behind them; borrowed, or
   NULL without an exception. */
static PyObject *
last_of(PyObject *latest, PyObject *method, Py_ssize_t parts)
{
    PyObject *last =
        Py_TYPE(method) == &PyUnicode_Type ? PyDict_GetItemWithError(latest, method) : NULL;

    if (last != NULL && PyTuple_Check(last) && PyTuple_Size(last) == parts + 1)
        return last;
    PyErr_Clear();
    return NULL;
}

/* The calls under this key, of which one more is under way, and which are the latest of this method
   from now on, by so many parts of the key; None where there are none yet. */
static PyObject *
more_under(PyObject *all, PyObject *key, PyObject *latest, PyObject *method, Py_ssize_t parts)
{
    PyObject *found = PyDict_GetItemWithError(all, key); /* borrowed */

    if (found == NULL) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *last = PyTuple_New(parts + 1), *begun = NULL;
    for (Py_ssize_t i = 0; last != NULL && i <= parts; i++) {
        PyObject *part = i < parts ? PyTuple_GetItem(key, i) : found;
        if (PyTuple_SetItem(last, i, Py_NewRef(part)) < 0)
            Py_CLEAR(last);
    }
    int kept = last == NULL ? -1 : 0;
    if (kept == 0 && Py_TYPE(method) == &PyUnicode_Type)
        kept = PyDict_SetItem(latest, method, last);
    if (kept == 0)
        begun = one_more(PyTuple_GetItem(last, parts));
    Py_XDECREF(last);
    return begun;
}

#define SCHEME 8 /* Behind https:// */

/* Whether an absolute URL goes to this server, which begins such a one. */
static int
goes_to(PyObject *url, PyObject *server)
{
    Py_ssize_t length = PyUnicode_GetLength(server);

    return length >= SCHEME && PyUnicode_Tailmatch(url, server, 0, length, -1) == 1 &&
        (PyUnicode_GetLength(url) == length || PyUnicode_ReadChar(url, length) == '/');
}

PyDoc_STRVAR(begun_by_url_doc,
    "begun_by_url(all, latest, url, method): the calls of this method to the server of an absolute\n"
    "URL, one more of which begins; None where there are none yet. `latest` is kept here alone: by\n"
    "method, what the last call went to, which the next does mostly.");

static PyObject *
begun_by_url(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyDict_Check(args[0]) || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "expected all, latest, url, method");
        return NULL;
    }
    PyObject *latest = args[1], *url = args[2], *method = args[3];
    if (Py_TYPE(url) != &PyUnicode_Type || Py_TYPE(method) != &PyUnicode_Type)
        Py_RETURN_NONE;
    PyObject *last = last_of(latest, method, 1);
    if (last != NULL && goes_to(url, PyTuple_GetItem(last, 0)))
        return one_more(PyTuple_GetItem(last, 1));
    Py_ssize_t length = PyUnicode_GetLength(url);
    Py_ssize_t end = PyUnicode_FindChar(url, '/', SCHEME, length, 1);
    if (end == -2)
        return NULL;
    PyObject *server = PyUnicode_Substring(url, 0, end < 0 ? length : end);
    PyObject *key = server == NULL ? NULL : PyTuple_Pack(2, server, method);
    Py_XDECREF(server);
    PyObject *found = key == NULL ? NULL : more_under(args[0], key, latest, method, 1);
    Py_XDECREF(key);
    return found;
}

/* Puts the value of an attribute into a tuple that is being filled. */
static int
put_attribute(PyObject *key, Py_ssize_t at, PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(object, name);

    return found == NULL ? -1 : PyTuple_SetItem(key, at, found);
}

/* A class whose instances are tuples, with a scheme, a host and a port where httpx has them. */
static PyTypeObject *parsed;

/* Whether these are the parts of a URL as httpx knows them: a named tuple of certain fields. */
static int
is_parsed(PyObject *parts)
{
    static const char *const fields[] = {"scheme", "userinfo", "host", "port"};
    int same = 0;

    if (Py_TYPE(parts) == parsed)
        return 1;
    if (!PyTuple_Check(parts) || parsed != NULL || PyTuple_Size(parts) < 4)
        return 0;
    PyObject *names = PyObject_GetAttr((PyObject *)Py_TYPE(parts), name_fields);
    if (names != NULL && PyTuple_Check(names) && PyTuple_Size(names) >= 4)
        for (same = 0; same < 4; same++) {
            PyObject *name = PyTuple_GetItem(names, same);
            if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, fields[same]) != 0)
                break;
        }
    Py_XDECREF(names);
    PyErr_Clear();
    if (same != 4)
        return 0;
    parsed = (PyTypeObject *)Py_NewRef(Py_TYPE(parts));
    return 1;
}

/* Where a scheme, a host and a port lie in such a tuple; an attribute of it costs four times this. */
static const Py_ssize_t server_at[] = {0, 2, 3};

/* Puts scheme, host and port into a key. */
static int
put_server(PyObject *key, PyObject *parts)
{
    if (!is_parsed(parts))
        return put_attribute(key, 0, parts, name_scheme) < 0 ||
                put_attribute(key, 1, parts, name_host) < 0 ||
                put_attribute(key, 2, parts, name_port) < 0
            ? -1 : 0;
    for (int i = 0; i < 3; i++) {
        PyObject *part = PyTuple_GetItem(parts, server_at[i]); /* borrowed */
        if (part == NULL || PyTuple_SetItem(key, i, Py_NewRef(part)) < 0)
            return -1;
    }
    return 0;
}

/* Whether a part of a URL, which may be anything, is what it was before; runs no code of others. */
static int
is_same(PyObject *part, PyObject *before)
{
    if (part == before)
        return 1;
    if (Py_TYPE(part) != Py_TYPE(before))
        return 0;
    if (Py_TYPE(part) == &PyUnicode_Type)
        return PyUnicode_Compare(part, before) == 0;
    return Py_TYPE(part) == &PyLong_Type && PyObject_RichCompareBool(part, before, Py_EQ) == 1;
}

/* The calls that the last one of this method was one of, borrowed, if the parts of a URL name the
   same server; else NULL, without an exception. */
static PyObject *
last_to(PyObject *latest, PyObject *method, PyObject *parts)
{
    PyObject *last = Py_TYPE(parts) == parsed ? last_of(latest, method, 3) : NULL;

    for (int i = 0; last != NULL && i < 3; i++) {
        if (!is_same(PyTuple_GetItem(parts, server_at[i]), PyTuple_GetItem(last, i)))
            last = NULL;
    }
    PyErr_Clear();
    return last == NULL ? NULL : PyTuple_GetItem(last, 3);
}

PyDoc_STRVAR(begun_by_httpx_doc,
    "begun_by_httpx(all, latest, request): the calls that a request of httpx is one of, one more of\n"
    "which begins; None where there are none yet. `latest` is another one than that of URLs.");

static PyObject *
begun_by_httpx(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    PyObject *found = NULL;

    if (count != 3 || !PyDict_Check(args[0]) || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "expected all, latest, request");
        return NULL;
    }
    PyObject *latest = args[1], *request = args[2];
    PyObject *url = PyObject_GetAttr(request, name_url);
    PyObject *parts = url == NULL ? NULL : PyObject_GetAttr(url, name_uri_reference);
    PyObject *method = parts == NULL ? NULL : PyObject_GetAttr(request, name_method);
    PyObject *last = method == NULL ? NULL : last_to(latest, method, parts);
    PyObject *key = method == NULL || last != NULL ? NULL : PyTuple_New(4);
    if (last != NULL)
        found = one_more(last);
    else if (key != NULL && put_server(key, parts) == 0 &&
        PyTuple_SetItem(key, 3, Py_NewRef(method)) == 0)
        found = more_under(args[0], key, latest, method, 3);
    else if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        found = Py_None;
        Py_INCREF(found);
    }
    Py_XDECREF(url);
    Py_XDECREF(parts);
    Py_XDECREF(method);
    Py_XDECREF(key);
    return found;
}

int
whole(PyObject *object, Py_ssize_t *number)
{
    if (object == NULL || Py_TYPE(object) != &PyLong_Type)
        return 0;
    *number = PyLong_AsSsize_t(object);
    return *number != -1 || !PyErr_Occurred();
}

PyObject *
plain_finish(PyObject *calls, PyObject *status, double end)
{
    Calls *self = as_calls(calls);
    Py_ssize_t code;

    if (self == NULL || !whole(status, &code) || code >= 400 || end > self->look ||
        self->ends == NULL)
        goto other;
    if (self->end == NULL || self->ended != code) {
        PyObject *known = PyDict_GetItemWithError(self->ends, status); /* borrowed */
        if (known == NULL || Py_TYPE(known) != Finish_Type)
            goto other;
        put(&self->end, known);
        self->ended = code;
    }
    return Py_NewRef(self->end);
other:
    PyErr_Clear();
    return NULL;
}

int
finished(PyObject *finish, double seconds, Py_ssize_t sent, Py_ssize_t received)
{
    return recorded((Finish *)finish, seconds, sent, received);
}

/* True where the call was recorded with its end now; False of what is not plain. */
static PyObject *
end_call(Calls *self, PyObject *began, PyObject *status, Py_ssize_t sent, Py_ssize_t received)
{
    double end = now();
    PyObject *finish = Py_TYPE(began) == &PyFloat_Type
        ? plain_finish((PyObject *)self, status, end)
        : NULL;
    int done =
        finish != NULL && recorded((Finish *)finish, end - PyFloat_AsDouble(began), sent, received);

    Py_XDECREF(finish);
    return PyBool_FromLong(done);
}

PyDoc_STRVAR(call_ended_doc,
    "call_ended(calls, begun, status, sent, received): whether the answer of a call was plain, and\n"
    "is recorded.");

static PyObject *
call_ended(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t sent, received;

    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "expected calls, begun, status, sent, received");
        return NULL;
    }
    Calls *self = as_calls(args[0]);
    if (self == NULL)
        return NULL;
    if (!whole(args[3], &sent) || !whole(args[4], &received)) {
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    return end_call(self, args[1], args[2], sent, received);
}

PyDoc_STRVAR(call_ended_by_urllib3_doc,
    "call_ended_by_urllib3(calls, begun, status, raw, body): the same of one whose body, if it had\n"
    "one, is bytes, and whose answer, of urllib3, was read whole and had no chunks.");

static PyObject *
call_ended_by_urllib3(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t received = -1;

    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "expected calls, begun, status, raw, body");
        return NULL;
    }
    Calls *self = as_calls(args[0]);
    if (self == NULL)
        return NULL;
    if (args[4] != Py_None && Py_TYPE(args[4]) != &PyBytes_Type)
        Py_RETURN_FALSE;
    PyObject *read = PyObject_GetAttr(args[3], name_bytes_read);
    PyObject *chunked = read == NULL ? NULL : PyObject_GetAttr(args[3], name_chunked);
    int plain = chunked == Py_False && whole(read, &received);
    Py_XDECREF(read);
    Py_XDECREF(chunked);
    if (!plain) {
        leave();
        Py_RETURN_FALSE;
    }
    Py_ssize_t sent = args[4] == Py_None ? 0 : PyBytes_Size(args[4]);
    return end_call(self, args[1], args[2], sent, received);
}

PyDoc_STRVAR(call_ended_by_httpx_doc,
    "call_ended_by_httpx(calls, begun, request, response): the same of one whose bodies were both in\n"
    "one piece, and that was sent once.");

static PyObject *
call_ended_by_httpx(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    PyObject *result = NULL;
    Py_ssize_t received;

    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "expected calls, begun, request, response");
        return NULL;
    }
    Calls *self = as_calls(args[0]);
    if (self == NULL)
        return NULL;
    PyObject *content = PyObject_GetAttr(args[2], name_content);
    PyObject *history = content == NULL ? NULL : PyObject_GetAttr(args[3], name_history);
    PyObject *status = history == NULL ? NULL : PyObject_GetAttr(args[3], name_status_code);
    PyObject *read = status == NULL ? NULL : PyObject_GetAttr(args[3], name_downloaded);
    if (read != NULL && Py_TYPE(content) == &PyBytes_Type && Py_TYPE(history) == &PyList_Type &&
        PyList_Size(history) == 0 && whole(read, &received))
        result = end_call(self, args[1], status, PyBytes_Size(content), received);
    else {
        leave();
        result = Py_False;
        Py_INCREF(result);
    }
    Py_XDECREF(content);
    Py_XDECREF(history);
    Py_XDECREF(status);
    Py_XDECREF(read);
    return result;
}

#define FAST(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, name##_doc}
static PyMethodDef functions[] = {
    FAST(begun_by_url),
    FAST(begun_by_httpx),
    FAST(call_ended),
    FAST(call_ended_by_urllib3),
    FAST(call_ended_by_httpx),
    {NULL, NULL, 0, NULL},
};
#undef FAST

static const Text texts[] = {
    {&name_missing, "__missing__"},
    {&name_fields, "_fields"},
    {&name_uri_reference, "_uri_reference"},
    {&name_url, "url"},
    {&name_method, "method"},
    {&name_scheme, "scheme"},
    {&name_host, "host"},
    {&name_port, "port"},
    {&name_content, "_content"},
    {&name_history, "history"},
    {&name_status_code, "status_code"},
    {&name_downloaded, "_num_bytes_downloaded"},
    {&name_bytes_read, "_fp_bytes_read"},
    {&name_chunked, "chunked"},
};

int
add_calls(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Finish_Type = made(module, "Finish", &finish_spec);
    Calls_Type = Finish_Type == NULL ? NULL : made(module, "Calls", &calls_spec);
    return Calls_Type == NULL ? -1 : 0;
}
