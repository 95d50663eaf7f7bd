/* Connections of HTTP clients: see monagent.conventions._http_pools. */

#include "cells.h"

static PyObject *name_busy, *name_idle, *forks_so_far;

enum { CLOSED, ACTIVE, IDLE };

/* What is known of an open connection; `active` and `idle` are cells. */
typedef struct {
    PyObject_HEAD
    PyObject *mem, *lifetime;
    Py_ssize_t active, idle, forks;
    double begin;
    int state;
} Counted;

static PyMemberDef counted_members[] = {
    {"_mem", T_OBJECT_EX, offsetof(Counted, mem), 0, NULL},
    {"_lifetime", T_OBJECT_EX, offsetof(Counted, lifetime), 0, NULL},
    {"_active", T_PYSSIZET, offsetof(Counted, active), 0, NULL},
    {"_idle", T_PYSSIZET, offsetof(Counted, idle), 0, NULL},
    {"_forks", T_PYSSIZET, offsetof(Counted, forks), 0, NULL},
    {"_begin", T_DOUBLE, offsetof(Counted, begin), 0, NULL},
    {"_state", T_INT, offsetof(Counted, state), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static int
counted_traverse(Counted *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->mem);
    Py_VISIT(self->lifetime);
    return 0;
}

static int
counted_clear(Counted *self)
{
    Py_CLEAR(self->mem);
    Py_CLEAR(self->lifetime);
    return 0;
}

static void
counted_dealloc(PyObject *self)
{
    release(self, (inquiry)counted_clear);
}

/* From one state, and its cell, to another; any other connection stays as it is. */
static PyObject *
move(Counted *self, int from, Py_ssize_t from_cell, int to, Py_ssize_t to_cell, PyObject *in_python)
{
    Py_ssize_t count, forks = -1;

    if (self->state != from)
        Py_RETURN_NONE;
    PyObject *so_far = forks_so_far == NULL ? NULL : PyList_GetItem(forks_so_far, 0);
    if (so_far != NULL)
        forks = PyLong_AsSsize_t(so_far);
    PyErr_Clear();
    double *cells = forks < 0 || self->mem == NULL || !PyList_Check(self->mem)
        ? NULL : cells_of(self->mem, &count);
    if (cells == NULL || from_cell < 0 || from_cell >= count || to_cell < 0 || to_cell >= count ||
        self->state != from) /* A view that was met may have gone, and run anything. */
        return PyObject_CallMethodObjArgs((PyObject *)self, in_python, NULL);
    self->state = to;
    if (self->forks == forks)
        cells[from_cell] -= 1.0;
    else
        self->forks = forks;
    cells[to_cell] += 1.0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(busy_doc, "busy(): a call has got it.");

static PyObject *
busy(Counted *self, PyObject *ignored)
{
    return move(self, IDLE, self->idle, ACTIVE, self->active, name_busy);
}

PyDoc_STRVAR(idle_doc, "idle(): it waits for the next call.");

static PyObject *
idle(Counted *self, PyObject *ignored)
{
    return move(self, ACTIVE, self->active, IDLE, self->idle, name_idle);
}

static PyMethodDef counted_methods[] = {
    {"busy", (PyCFunction)busy, METH_NOARGS, busy_doc},
    {"idle", (PyCFunction)idle, METH_NOARGS, idle_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot counted_slots[] = {
    {Py_tp_doc, "What is known of an open connection."},
    {Py_tp_members, counted_members},
    {Py_tp_methods, counted_methods},
    {Py_tp_traverse, counted_traverse},
    {Py_tp_clear, counted_clear},
    {Py_tp_dealloc, counted_dealloc},
    {0, NULL},
};
static PyType_Spec counted_spec = {
    "monagent._native.Counted", sizeof(Counted), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, counted_slots,
};

PyDoc_STRVAR(forks_in_doc, "forks_in(forks): a list, whose first item is how often we were forked.");

static PyObject *
forks_in(PyObject *module, PyObject *given)
{
    if (!PyList_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "expected a list");
        return NULL;
    }
    put(&forks_so_far, given);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"forks_in", forks_in, METH_O, forks_in_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {{&name_busy, "busy_in_python"}, {&name_idle, "idle_in_python"}};

int
add_connections(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    return made(module, "Counted", &counted_spec) == NULL ? -1 : 0;
}
