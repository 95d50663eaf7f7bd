#include "recorders.h"

PyTypeObject *Recorder_Type;

static int
recorder_traverse(Recorder *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->in_python);
    Py_VISIT(self->mem);
    return 0;
}

static int
recorder_clear(Recorder *self)
{
    Py_CLEAR(self->in_python);
    Py_CLEAR(self->mem);
    return 0;
}

static void
recorder_dealloc(PyObject *self)
{
    release(self, (inquiry)recorder_clear);
}

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *in_python, *mem, *at, *edges = NULL;
    Py_ssize_t active = -1, busy = -1, number = -1, last = -1;

    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "expected no names of arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!O|O!nnnn", &in_python, &PyList_Type, &mem, &at, &PyTuple_Type,
                          &edges, &active, &busy, &number, &last))
        return NULL;
    Recorder *self = (Recorder *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    put(&self->in_python, in_python);
    put(&self->mem, mem);
    self->kind = edges == NULL ? COUNTER : PyTuple_Size(args) > 4 ? ATTEMPT : HISTOGRAM;
    self->active = active;
    self->busy = busy;
    self->number = number;
    self->last = last;
    int failed = 0;
    if (edges == NULL)
        self->place.at = PyLong_AsSsize_t(at);
    else
        failed = place_from(at, edges, &self->place) < 0;
    if (failed || PyErr_Occurred()) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

int
recordable(const Recorder *self, Py_ssize_t count)
{
    switch (self->kind) {
    case COUNTER:
        return among(self->place.at, count);
    case HISTOGRAM:
        return within(&self->place, count);
    default:
        return within(&self->place, count) && among(self->active, count) &&
               among(self->busy, count) && among(self->number, count) &&
               (self->last == -1 || (among(self->last, count) && among(self->last + 1, count)));
    }
}

void
record_value(const Recorder *self, double *cells, double value)
{
    cells[self->place.at] += value;
    if (self->kind == COUNTER)
        return;
    cells[bucket(&self->place, value)] += 1.0;
    if (self->kind == HISTOGRAM)
        return;
    cells[self->active] -= 1.0;
    cells[self->busy] -= 1.0;
    cells[self->number] += 1.0;
    if (self->last >= 0)
        cells[self->last] = cells[self->last + 1] = now_of_day();
}

static PyObject *
recorder_call(Recorder *self, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t count;

    if ((kwargs == NULL || PyDict_Size(kwargs) == 0) && PyTuple_Size(args) == 1) {
        PyObject *given = PyTuple_GetItem(args, 0);
        if (Py_TYPE(given) == &PyFloat_Type) {
            double value = PyFloat_AsDouble(given);
            double *cells = cells_of(self->mem, &count);
            if (cells != NULL && recordable(self, count)) {
                record_value(self, cells, value);
                Py_RETURN_NONE;
            }
        }
    }
    return PyObject_Call(self->in_python, args, kwargs);
}

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc,
     "Recorder(in_python, mem, index, [edges, [active, busy, number, last]]): adds a value to a\n"
     "counter, to a histogram, or to all that an attempt's end adds to, as `in_python` does, which\n"
     "gets what is not plain; see monagent.metrics.fused."},
    {Py_tp_new, recorder_new},
    {Py_tp_call, recorder_call},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},
    {Py_tp_dealloc, recorder_dealloc},
    {0, NULL},
};
static PyType_Spec recorder_spec = {
    "monagent._native.Recorder", sizeof(Recorder), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    recorder_slots,
};

int
add_recorders(PyObject *module)
{
    Recorder_Type = made(module, "Recorder", &recorder_spec);
    return Recorder_Type == NULL ? -1 : 0;
}
