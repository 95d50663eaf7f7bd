/* Connections of HTTP clients: see monagent.conventions._http_pools. */

#include "calls.h"

static PyObject *name_busy, *name_idle;
static Py_ssize_t forks; /* how often this process and those before it were forked */

enum { CLOSED, ACTIVE, IDLE };

Py_ssize_t
times_forked(void)
{
    return forks;
}

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
    Py_ssize_t count;

    if (self->state != from)
        Py_RETURN_NONE;
    double *cells =
        self->mem == NULL || !PyList_Check(self->mem) ? NULL : cells_of(self->mem, &count);
    if (cells == NULL || !among(from_cell, count) || !among(to_cell, count) ||
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

PyDoc_STRVAR(forked_doc, "forked(times): how often this process and those before it were forked.");

static PyObject *
forked(PyObject *module, PyObject *times)
{
    Py_ssize_t found = PyLong_AsSsize_t(times);

    if (found == -1 && PyErr_Occurred())
        return NULL;
    forks = found;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"forked", forked, METH_O, forked_doc},
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
