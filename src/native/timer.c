#include "timer.h"

#include "cells.h"

/* Counts in one histogram the seconds of what began at a time: see `fused.timer`, which makes it of
   the histogram's place, and of the function that does the same in Python. */
typedef struct {
    PyObject_HEAD
    PyObject *in_python, *due, *pulse, *mem;
    Place place;
} Timer;

static PyTypeObject *Timer_Type;

static int
timer_traverse(Timer *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->in_python);
    Py_VISIT(self->due);
    Py_VISIT(self->pulse);
    Py_VISIT(self->mem);
    return 0;
}

static int
timer_clear(Timer *self)
{
    Py_CLEAR(self->in_python);
    Py_CLEAR(self->due);
    Py_CLEAR(self->pulse);
    Py_CLEAR(self->mem);
    return 0;
}

static void
timer_dealloc(PyObject *self)
{
    release(self, (inquiry)timer_clear);
}

static PyObject *
timer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *in_python, *due, *pulse, *mem, *at, *edges;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!OO!OO!", &in_python, &PyList_Type, &due, &pulse, &PyList_Type,
                          &mem, &at, &PyTuple_Type, &edges))
        return NULL;
    Timer *self = (Timer *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    put(&self->in_python, in_python);
    put(&self->due, due);
    put(&self->pulse, pulse);
    put(&self->mem, mem);
    if (place_from(at, edges, &self->place) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
call_with(PyObject *function, double value)
{
    PyObject *given = PyFloat_FromDouble(value);
    PyObject *done = given == NULL ? NULL : PyObject_CallFunctionObjArgs(function, given, NULL);

    Py_XDECREF(given);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
is_timer(PyObject *object)
{
    return Py_TYPE(object) == Timer_Type;
}

int
end_timer(PyObject *timer, double begun)
{
    Timer *self = (Timer *)timer;
    double end = now(), seconds = end - begun;
    Py_ssize_t count;
    double *cells = cells_of(self->mem, &count);

    if (cells == NULL || !within(&self->place, count))
        return call_with(self->in_python, begun);
    cells[self->place.at] += seconds;
    cells[bucket(&self->place, seconds)] += 1.0;
    PyObject *due = PyList_GetItem(self->due, 0); /* borrowed */
    if (due == NULL)
        return -1;
    return end > PyFloat_AsDouble(due) ? call_with(self->pulse, end) : 0;
}

static PyObject *
timer_call(Timer *self, PyObject *args, PyObject *kwargs)
{
    double begun;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "d", &begun) || end_timer((PyObject *)self, begun) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, "Ends what began at a time: see monagent.metrics.fused.timer."},
    {Py_tp_new, timer_new},
    {Py_tp_call, timer_call},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},
    {Py_tp_dealloc, timer_dealloc},
    {0, NULL},
};
static PyType_Spec timer_spec = {
    "monagent._native.Timer", sizeof(Timer), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    timer_slots,
};

int
add_timers(PyObject *module)
{
    Timer_Type = made(module, "Timer", &timer_spec);
    return Timer_Type == NULL ? -1 : 0;
}
