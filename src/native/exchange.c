#include "exchange.h"

#include "cells.h"

PyTypeObject *Exchange_Type, *Arrival_Type;
PyObject *exchange_key, *no_status, *http_failed;

static PyObject *no_text, *unmatched, *no_arguments, *name_closure, *name_contents,
    *name_function, *name_arguments, *name_keywords, *name_self;

/* Those of functions of Python's, of their methods, and of functools.partial. */
static PyTypeObject *function_type, *method_type, *partial_type;

#define OBJECT(name) {#name, T_OBJECT_EX, offsetof(Arrival, name), 0, NULL}
static PyMemberDef arrival_members[] = {
    OBJECT(add),
    OBJECT(cell),
    OBJECT(enders),
    {NULL, 0, 0, 0, NULL},
};
#undef OBJECT

static int
arrival_traverse(Arrival *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->add);
    Py_VISIT(self->cell);
    Py_VISIT(self->enders);
    return 0;
}

static int
arrival_clear(Arrival *self)
{
    Py_CLEAR(self->add);
    Py_CLEAR(self->cell);
    Py_CLEAR(self->enders);
    return 0;
}

static void
arrival_dealloc(PyObject *self)
{
    release(self, (inquiry)arrival_clear);
}

static PyType_Slot arrival_slots[] = {
    {Py_tp_doc, "What requests of one method and scheme have in common."},
    {Py_tp_members, arrival_members},
    {Py_tp_traverse, arrival_traverse},
    {Py_tp_clear, arrival_clear},
    {Py_tp_dealloc, arrival_dealloc},
    {0, NULL},
};
static PyType_Spec arrival_spec = {
    "monagent._native.Arrival", sizeof(Arrival), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, arrival_slots,
};

#define OBJECT(name) {#name, T_OBJECT_EX, offsetof(Exchange, name), 0, NULL}
static PyMemberDef exchange_members[] = {
    OBJECT(arrival),
    OBJECT(active),
    OBJECT(prefix),
    OBJECT(route),
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

static PyType_Slot exchange_slots[] = {
    {Py_tp_doc, "What is known of a request on its way through a server."},
    {Py_tp_members, exchange_members},
    {Py_tp_traverse, exchange_traverse},
    {Py_tp_clear, exchange_clear},
    {Py_tp_dealloc, exchange_dealloc},
    {0, NULL},
};
static PyType_Spec exchange_spec = {
    "monagent._native.Exchange", sizeof(Exchange), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, exchange_slots,
};

Exchange *
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
    put(&self->status, no_status);
    self->plain = 1;
    put(&self->active, ((Arrival *)arrival)->add);
    PyObject *place = ((Arrival *)arrival)->cell; /* (mem, index) */
    if (self->active == NULL || place == NULL) {
        PyErr_SetString(PyExc_AttributeError, "add, cell");
        Py_DECREF(self);
        return NULL;
    }
    Py_INCREF(place);
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

PyObject *
known(PyObject *arrivals, PyObject *request, PyObject *scheme, PyObject *method)
{
    PyObject *found = text_of(request, scheme);
    PyObject *methods = found == NULL ? NULL : PyDict_GetItemWithError(arrivals, found);

    found = methods == NULL ? NULL : text_of(request, method);
    found = found == NULL ? NULL : PyDict_GetItemWithError(methods, found);
    return found != NULL && is_arrival(found) ? found : NULL;
}

PyObject *
kept(PyObject *holder, Exchange *self)
{
    if (PyDict_SetItem(holder, exchange_key, (PyObject *)self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->start = now();
    return (PyObject *)self;
}

static int
is_somebodys(PyObject *handed_on)
{
    return Py_TYPE(handed_on) == function_type || Py_TYPE(handed_on) == partial_type;
}

static int
may_be(PyObject *cls, PyObject *held)
{
    return held != NULL && ((PyObject *)Py_TYPE(held) == cls || Py_TYPE(held) == method_type ||
                            is_somebodys(held));
}

/* As `may_hold`, of a closure. */
static int
closure_may_hold(PyObject *cls, PyObject *function)
{
    PyObject *cells = PyObject_GetAttr(function, name_closure);
    Py_ssize_t count = cells == NULL || cells == Py_None ? 0 : PyTuple_Size(cells);
    int found = 0;

    for (Py_ssize_t i = 0; i < count && !found; i++) {
        PyObject *held = PyObject_GetAttr(PyTuple_GetItem(cells, i), name_contents);
        found = may_be(cls, held);
        Py_XDECREF(held);
    }
    PyErr_Clear(); /* An empty cell has no contents. */
    Py_XDECREF(cells);
    return found;
}

/* As `may_hold`, of a partial: any that was given something by name may. */
static int
partial_may_hold(PyObject *cls, PyObject *partial)
{
    PyObject *function = PyObject_GetAttr(partial, name_function);
    PyObject *given = PyObject_GetAttr(partial, name_arguments);
    PyObject *named = PyObject_GetAttr(partial, name_keywords);
    int found = may_be(cls, function) || named == NULL || PyDict_Size(named) != 0;
    Py_ssize_t count = given == NULL ? 0 : PyTuple_Size(given);

    for (Py_ssize_t i = 0; i < count && !found; i++)
        found = may_be(cls, PyTuple_GetItem(given, i));
    PyErr_Clear();
    Py_XDECREF(function);
    Py_XDECREF(given);
    Py_XDECREF(named);
    return found;
}

int
may_hold(PyObject *cls, PyObject *handed_on)
{
    if ((PyObject *)Py_TYPE(handed_on) == cls)
        return 1;
    if (Py_TYPE(handed_on) == function_type)
        return closure_may_hold(cls, handed_on);
    return Py_TYPE(handed_on) == partial_type && partial_may_hold(cls, handed_on);
}

int
is_handed_on(PyObject *cls, PyObject *given, PyObject *server)
{
    if (may_hold(cls, given))
        return 1;
    if (is_somebodys(given) || (PyObject *)Py_TYPE(given) == server)
        return 0;
    PyObject *owner = PyObject_GetAttr(given, name_self);
    int is_servers = owner != NULL && (PyObject *)Py_TYPE(owner) == server;
    leave();
    Py_XDECREF(owner);
    return !is_servers;
}

PyDoc_STRVAR(failures_go_to_doc,
    "failures_go_to(failed, not_ours): the one gets exceptions, the other tells the program's own.");

static PyObject *
failures_go_to(PyObject *module, PyObject *args)
{
    PyObject *given, *telling;

    if (!PyArg_ParseTuple(args, "OO", &given, &telling))
        return NULL;
    PyObject *functools = PyImport_ImportModule("_functools");
    PyObject *partial = functools == NULL ? NULL : PyObject_GetAttrString(functools, "partial");

    Py_XDECREF(functools);
    PyObject *method = PyObject_CallMethod(given, "__get__", "O", telling);
    if (partial == NULL || method == NULL) {
        Py_XDECREF(partial);
        Py_XDECREF(method);
        return NULL;
    }
    partial_type = (PyTypeObject *)partial; /* Kept for good. */
    method_type = Py_TYPE(method);
    Py_DECREF(method);
    function_type = Py_TYPE(given);
    put(&http_failed, given);
    put(&not_ours, telling);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"failures_go_to", failures_go_to, METH_VARARGS, failures_go_to_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&no_text, ""},
    {&unmatched, "unmatched"},
    {&exchange_key, "monagent.exchange"},
    {&name_closure, "__closure__"},
    {&name_contents, "cell_contents"},
    {&name_function, "func"},
    {&name_arguments, "args"},
    {&name_keywords, "keywords"},
    {&name_self, "__self__"},
};

int
add_exchanges(PyObject *module)
{
    no_status = PyLong_FromLong(0);
    no_arguments = PyTuple_New(0);
    if (no_status == NULL || no_arguments == NULL || INTERN(texts) < 0 ||
        PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Arrival_Type = made(module, "Arrival", &arrival_spec);
    Exchange_Type = made(module, "Exchange", &exchange_spec);
    return Arrival_Type == NULL || Exchange_Type == NULL ? -1 : 0;
}
