#include "cells.h"
#include "exchange.h"

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
        !among(self->active, count) || !among(self->none, count) ||
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

int
end_plain(Exchange *self)
{
    if (!self->plain || self->recorded || self->arrival == NULL || self->status == NULL ||
        self->route == NULL)
        return 0;
    PyObject *enders = is_arrival(self->arrival) ? ((Arrival *)self->arrival)->enders : NULL;
    if (enders == NULL || !PyDict_Check(enders))
        return 0;
    Py_INCREF(enders);
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

static PyMethodDef functions[] = {
    {"ended", ended, METH_O, ended_doc},
    {NULL, NULL, 0, NULL},
};

int
add_enders(PyObject *module)
{
    if (PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Ender_Type = made(module, "Ender", &ender_spec);
    return Ender_Type == NULL ? -1 : 0;
}
