/* Connection pools: what each adds to its series when a connection is asked for, given, returned.

   What is not plain (a fork, a series that is just being made, figures that are no integers) is
   handed back to monagent.conventions._pools.Pool, before anything of it is noted. */

#include "cells.h"

static PyTypeObject *Reader_Type, *Cells_Type, *Pool_Type;
static PyObject *known_cells; /* by the names of pools: `_pools._cells` */
static PyObject *name_pid, *name_asked, *name_given, *name_returned, *name_write;

/* Reads how many connections a pool that holds a queue of idle ones has open and idle, by names:
   `pool.queue.size + pool.more`, and the length of `pool.queue.items`, or of `items.inner` in it.
   `twin` does the same in Python. */
typedef struct {
    PyObject_HEAD
    PyObject *twin, *queue, *size, *more, *items, *inner;
} Reader;

static int
reader_traverse(Reader *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->twin); /* the others are texts */
    return 0;
}

static int
reader_clear(Reader *self)
{
    Py_CLEAR(self->twin);
    Py_CLEAR(self->queue);
    Py_CLEAR(self->size);
    Py_CLEAR(self->more);
    Py_CLEAR(self->items);
    Py_CLEAR(self->inner);
    return 0;
}

static void
reader_dealloc(PyObject *self)
{
    release(self, (inquiry)reader_clear);
}

static PyObject *
reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *twin, *queue, *size, *more, *items, *inner = NULL;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OUUUU|U", &twin, &queue, &size, &more, &items, &inner))
        return NULL;
    Reader *self = (Reader *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    put(&self->twin, twin);
    put(&self->queue, queue);
    put(&self->size, size);
    put(&self->more, more);
    put(&self->items, items);
    put(&self->inner, inner);
    return (PyObject *)self;
}

static PyObject *
reader_call(Reader *self, PyObject *args, PyObject *kwargs)
{
    return PyObject_Call(self->twin, args, kwargs);
}

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "Open and idle connections of a pool: see monagent.conventions._pools.reading."},
    {Py_tp_new, reader_new},
    {Py_tp_call, reader_call},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_clear, reader_clear},
    {Py_tp_dealloc, reader_dealloc},
    {0, NULL},
};
static PyType_Spec reader_spec = {
    "monagent._native.Reader", sizeof(Reader), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    reader_slots,
};

static int
plain_integer(PyObject *object, Py_ssize_t *value)
{
    if (object == NULL || Py_TYPE(object) != &PyLong_Type)
        return 0;
    *value = PyLong_AsSsize_t(object);
    if (*value != -1 || !PyErr_Occurred())
        return 1;
    PyErr_Clear();
    return 0;
}

#define ENOUGH (PY_SSIZE_T_MAX / 4) /* Sums of smaller ones are none too large. */

static int
small_integer(PyObject *object, PyObject *name, Py_ssize_t *value)
{
    PyObject *found = PyObject_GetAttr(object, name);
    int small = plain_integer(found, value) && *value > -ENOUGH && *value < ENOUGH;

    Py_XDECREF(found);
    return small;
}

/* Open and idle connections: 1 done, 0 where the twin has to say, with or without an exception. */
static int
read_by_names(Reader *self, PyObject *pool, Py_ssize_t *opened, Py_ssize_t *idle)
{
    Py_ssize_t size, more;
    PyObject *queue = PyObject_GetAttr(pool, self->queue), *items = NULL;

    *idle = -1;
    if (queue != NULL && small_integer(queue, self->size, &size) &&
        small_integer(pool, self->more, &more)) {
        *opened = size + more;
        items = PyObject_GetAttr(queue, self->items);
        if (items != NULL && self->inner != NULL) {
            PyObject *outer = items;
            items = PyObject_GetAttr(outer, self->inner);
            Py_DECREF(outer);
        }
        if (items != NULL)
            *idle = PyObject_Size(items);
    }
    Py_XDECREF(items);
    Py_XDECREF(queue);
    return *idle >= 0;
}

/* One name's cells: what monagent.conventions._pools.Cells puts there. */
typedef struct {
    PyObject_HEAD
    PyObject *mem, *shard, *timeouts, *wait_edges, *use_edges;
    Py_ssize_t used, idle, overflow, pending, wait, use;
    double wait_short;
    Place waited, held; /* of `wait` and `use`, once they are copied */
    signed char copied; /* -1: cannot be */
} Cells;

#define OBJECT(type, name) {#name, T_OBJECT_EX, offsetof(type, name), 0, NULL}
#define INDEX(type, name) {#name, T_PYSSIZET, offsetof(type, name), 0, NULL}
static PyMemberDef cells_members[] = {
    OBJECT(Cells, mem),
    OBJECT(Cells, shard),
    OBJECT(Cells, timeouts),
    OBJECT(Cells, wait_edges),
    OBJECT(Cells, use_edges),
    INDEX(Cells, used),
    INDEX(Cells, idle),
    INDEX(Cells, overflow),
    INDEX(Cells, pending),
    INDEX(Cells, wait),
    INDEX(Cells, use),
    {"wait_short", T_DOUBLE, offsetof(Cells, wait_short), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static int
cells_traverse(Cells *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->mem);
    Py_VISIT(self->shard);
    Py_VISIT(self->timeouts);
    Py_VISIT(self->wait_edges);
    Py_VISIT(self->use_edges);
    return 0;
}

static int
cells_clear(Cells *self)
{
    Py_CLEAR(self->mem);
    Py_CLEAR(self->shard);
    Py_CLEAR(self->timeouts);
    Py_CLEAR(self->wait_edges);
    Py_CLEAR(self->use_edges);
    return 0;
}

static void
cells_dealloc(PyObject *self)
{
    release(self, (inquiry)cells_clear);
}

static PyType_Slot cells_slots[] = {
    {Py_tp_doc, "Where one name's series are."},
    {Py_tp_members, cells_members},
    {Py_tp_traverse, cells_traverse},
    {Py_tp_clear, cells_clear},
    {Py_tp_dealloc, cells_dealloc},
    {0, NULL},
};
static PyType_Spec cells_spec = {
    "monagent._native.PoolCells", sizeof(Cells), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, cells_slots,
};

/* The doubles, if all that the name has are among them: nothing of Python's may run until the last
   of them is written. */
static double *
all_of(Cells *self, Py_ssize_t *count)
{
    if (self->mem == NULL || !PyList_Check(self->mem) || self->copied < 0)
        return NULL;
    if (self->copied == 0) {
        PyObject *wait = PyLong_FromSsize_t(self->wait), *use = PyLong_FromSsize_t(self->use);
        int placed = wait != NULL && use != NULL && self->wait_edges != NULL &&
                     self->use_edges != NULL && PyTuple_Check(self->wait_edges) &&
                     PyTuple_Check(self->use_edges) &&
                     place_from(wait, self->wait_edges, &self->waited) == 0 &&
                     place_from(use, self->use_edges, &self->held) == 0;
        PyErr_Clear();
        Py_XDECREF(wait);
        Py_XDECREF(use);
        self->copied = placed ? 1 : -1;
        if (!placed)
            return NULL;
    }
    double *cells = cells_of(self->mem, count);
    if (cells == NULL || !within(&self->waited, *count) || !within(&self->held, *count) ||
        !among(self->used, *count) || !among(self->idle, *count) ||
        !among(self->overflow, *count) || !among(self->pending, *count))
        return NULL;
    return cells;
}

/* One pool: what monagent.conventions._pools.Pool, a subclass, has. */
typedef struct {
    PyObject_HEAD
    PyObject *cells, *of, *given_at, *limits, *name, *read, *system, *text;
    PyObject *used, *idle, *overflow, *most, *keeps, *pid;
    Py_ssize_t turn;
} Pool;

#define HIDDEN(name) {"_" #name, T_OBJECT_EX, offsetof(Pool, name), 0, NULL}
static PyMemberDef pool_members[] = {
    HIDDEN(cells),
    HIDDEN(of),
    HIDDEN(used),
    HIDDEN(idle),
    HIDDEN(overflow),
    HIDDEN(most),
    HIDDEN(keeps),
    HIDDEN(pid),
    {"_turn", T_PYSSIZET, offsetof(Pool, turn), 0, NULL},
    OBJECT(Pool, given_at),
    OBJECT(Pool, limits),
    OBJECT(Pool, name),
    OBJECT(Pool, read),
    OBJECT(Pool, system),
    OBJECT(Pool, text),
    {NULL, 0, 0, 0, NULL},
};
#undef HIDDEN
#undef INDEX
#undef OBJECT

static int
pool_traverse(Pool *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->cells);
    Py_VISIT(self->of);
    Py_VISIT(self->given_at);
    Py_VISIT(self->limits);
    Py_VISIT(self->name);
    Py_VISIT(self->read);
    Py_VISIT(self->system);
    Py_VISIT(self->text);
    Py_VISIT(self->used);
    Py_VISIT(self->idle);
    Py_VISIT(self->overflow);
    Py_VISIT(self->most);
    Py_VISIT(self->keeps);
    Py_VISIT(self->pid);
    return 0;
}

static int
pool_clear(Pool *self)
{
    Py_CLEAR(self->cells);
    Py_CLEAR(self->of);
    Py_CLEAR(self->given_at);
    Py_CLEAR(self->limits);
    Py_CLEAR(self->name);
    Py_CLEAR(self->read);
    Py_CLEAR(self->system);
    Py_CLEAR(self->text);
    Py_CLEAR(self->used);
    Py_CLEAR(self->idle);
    Py_CLEAR(self->overflow);
    Py_CLEAR(self->most);
    Py_CLEAR(self->keeps);
    Py_CLEAR(self->pid);
    return 0;
}

static void
pool_dealloc(PyObject *self)
{
    release(self, (inquiry)pool_clear);
}

/* The cells of the pool, a new reference; NULL without an exception where `_now` has to look. */
static Cells *
cells_now(Pool *self)
{
    PyObject *cells = self->cells;

    if (cells == NULL || cells == Py_None || self->text == NULL || self->pid == NULL ||
        known_cells == NULL || !PyType_IsSubtype(Py_TYPE(cells), Cells_Type) ||
        PyDict_GetItemWithError(known_cells, self->text) != cells) {
        PyErr_Clear();
        return NULL;
    }
    Py_INCREF(cells);
    PyObject *shard = ((Cells *)cells)->shard;
    PyObject *pid = shard == NULL ? NULL : PyObject_GetAttr(shard, name_pid);
    Py_ssize_t one, other;
    int same = plain_integer(pid, &one) && plain_integer(self->pid, &other) && one == other;
    Py_XDECREF(pid);
    PyErr_Clear();
    if (!same) {
        Py_DECREF(cells);
        return NULL;
    }
    return (Cells *)cells;
}

static PyObject *
in_python(Pool *self, PyObject *name, PyObject *one, PyObject *other)
{
    return PyObject_CallMethodObjArgs((PyObject *)self, name, one, other, NULL);
}

/* Moves a figure that the pool has written; `before` is what it was. */
static int
moved(PyObject **field, Py_ssize_t value, Py_ssize_t before)
{
    if (value == before)
        return 0;
    PyObject *now = PyLong_FromSsize_t(value);
    if (now == NULL)
        return -1;
    put(field, now); /* What it was is an exact integer: nothing else runs. */
    Py_DECREF(now);
    return 0;
}

/* `Pool._write`: 1 done, 0 where it has to be called, -1 after an exception. */
static int
written(Pool *self, Cells *cells)
{
    if (self->read == NULL || Py_TYPE(self->read) != Reader_Type || self->of == NULL)
        return 0;
    Py_ssize_t turn = ++self->turn;
    for (;;) {
        Py_ssize_t opened, idle, was_used, was_idle, was_overflow, keeps, count;
        PyObject *reader = self->read;
        Py_INCREF(reader);
        PyObject *pool = PyObject_CallObject(self->of, NULL);
        if (pool == NULL) {
            Py_DECREF(reader);
            return -1;
        }
        int plain = pool != Py_None && read_by_names((Reader *)reader, pool, &opened, &idle);
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Clear(); /* Others may be the program's own, from a handler of a signal. */
        double *at = NULL;
        if (plain && plain_integer(self->used, &was_used) && plain_integer(self->idle, &was_idle) &&
            plain_integer(self->overflow, &was_overflow) && plain_integer(self->keeps, &keeps) &&
            keeps > -ENOUGH)
            at = all_of(cells, &count);
        if (at != NULL) {
            Py_ssize_t used = opened > idle ? opened - idle : 0;
            Py_ssize_t overflow = opened > keeps ? opened - keeps : 0;
            if (moved(&self->used, used, was_used) == 0)
                at[cells->used] += (double)used - (double)was_used;
            if (moved(&self->idle, idle, was_idle) == 0)
                at[cells->idle] += (double)idle - (double)was_idle;
            if (moved(&self->overflow, overflow, was_overflow) == 0)
                at[cells->overflow] += (double)overflow - (double)was_overflow;
        }
        Py_DECREF(pool);
        Py_DECREF(reader);
        if (PyErr_Occurred())
            return -1;
        if (at == NULL)
            return 0;
        if (turn == self->turn)
            return 1;
        turn = self->turn;
    }
}

/* Ends a method: writes what the pool says of itself. */
static PyObject *
and_write(Pool *self, Cells *cells)
{
    int done = written(self, cells);

    if (done == 0) {
        PyObject *result = in_python(self, name_write, (PyObject *)cells, NULL);
        Py_XDECREF(result);
        done = result == NULL ? -1 : 1;
    }
    Py_DECREF(cells);
    if (done < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(asked_doc, "asked(): see monagent.conventions._pools.Pool._asked.");

static PyObject *
asked(Pool *self, PyObject *ignored)
{
    Cells *cells = cells_now(self);
    Py_ssize_t count;
    double *at = cells == NULL ? NULL : all_of(cells, &count);

    if (at == NULL) {
        Py_XDECREF(cells);
        return in_python(self, name_asked, NULL, NULL);
    }
    at[cells->pending] += 1.0;
    Py_DECREF(cells);
    return PyFloat_FromDouble(now());
}

PyDoc_STRVAR(given_doc, "given(asked, connection): see monagent.conventions._pools.Pool._given.");

static PyObject *
given(Pool *self, PyObject *const *args, Py_ssize_t count)
{
    double end = now();

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "expected asked, connection");
        return NULL;
    }
    Py_ssize_t among;
    PyObject *time = NULL;
    Cells *cells = (Cells *)self->cells;
    int plain = cells != NULL && PyType_IsSubtype(Py_TYPE(cells), Cells_Type) &&
                Py_TYPE(args[0]) == &PyFloat_Type && Py_TYPE(args[1]) == &PyLong_Type &&
                self->given_at != NULL && Py_TYPE(self->given_at) == &PyDict_Type;
    if (plain) {
        double seconds = end - PyFloat_AsDouble(args[0]);
        Py_INCREF(cells);
        time = PyFloat_FromDouble(end);
        double *at = time == NULL ? NULL : all_of(cells, &among);
        if (at != NULL) {
            at[cells->pending] -= 1.0;
            at[cells->wait] += seconds;
            at[bucket(&cells->waited, seconds)] += 1.0;
            int put_down = PyDict_SetItem(self->given_at, args[1], time);
            Py_DECREF(time);
            if (put_down < 0) {
                Py_DECREF(cells);
                return NULL;
            }
            return and_write(self, cells);
        }
        PyErr_Clear();
        Py_XDECREF(time);
        Py_DECREF(cells);
    }
    return in_python(self, name_given, args[0], args[1]);
}

PyDoc_STRVAR(returned_doc, "returned(given): see monagent.conventions._pools.Pool._returned.");

static PyObject *
returned(Pool *self, PyObject *given)
{
    Cells *cells = cells_now(self);
    Py_ssize_t count;
    double seconds = 0.0;
    int timed = given != Py_None;

    if (cells != NULL && (!timed || Py_TYPE(given) == &PyFloat_Type)) {
        if (!timed)
            return and_write(self, cells);
        seconds = now() - PyFloat_AsDouble(given);
        double *at = all_of(cells, &count);
        if (at != NULL) {
            at[cells->use] += seconds;
            at[bucket(&cells->held, seconds)] += 1.0;
            return and_write(self, cells);
        }
    }
    Py_XDECREF(cells);
    return in_python(self, name_returned, given, NULL);
}

static PyMethodDef pool_methods[] = {
    {"asked", (PyCFunction)asked, METH_NOARGS, asked_doc},
    {"given", (PyCFunction)(void (*)(void))given, METH_FASTCALL, given_doc},
    {"returned", (PyCFunction)returned, METH_O, returned_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, "What is recorded of one connection pool."},
    {Py_tp_members, pool_members},
    {Py_tp_methods, pool_methods},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_clear, pool_clear},
    {Py_tp_dealloc, pool_dealloc},
    {0, NULL},
};
static PyType_Spec pool_spec = {
    "monagent._native.Pool", sizeof(Pool), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, pool_slots,
};

PyDoc_STRVAR(cells_are_in_doc, "cells_are_in(known): a dictionary of pools' cells, by name.");

static PyObject *
cells_are_in(PyObject *module, PyObject *known)
{
    if (Py_TYPE(known) != &PyDict_Type) {
        PyErr_SetString(PyExc_TypeError, "expected a dictionary");
        return NULL;
    }
    put(&known_cells, known);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"cells_are_in", cells_are_in, METH_O, cells_are_in_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&name_pid, "pid"},           {&name_asked, "_asked"}, {&name_given, "_given"},
    {&name_returned, "_returned"}, {&name_write, "_write"},
};

int
add_pools(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Reader_Type = made(module, "Reader", &reader_spec);
    Cells_Type = made(module, "PoolCells", &cells_spec);
    Pool_Type = made(module, "Pool", &pool_spec);
    return Reader_Type == NULL || Cells_Type == NULL || Pool_Type == NULL ? -1 : 0;
}
