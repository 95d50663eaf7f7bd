#include "cells.h"

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

/* The view that was met last, held so that no other can come to lie where it lay. */
static PyObject *view_met;
static double *cells_met;
static Py_ssize_t cells_count;

double *
cells_of(PyObject *mem, Py_ssize_t *count)
{
    PyObject *view = mem == NULL ? NULL : PyList_GetItem(mem, 0); /* borrowed */

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

int
add_one(PyObject *mem, Py_ssize_t index, PyObject *recorder)
{
    Py_ssize_t count;
    double *cells = cells_of(mem, &count);

    if (cells != NULL && among(index, count)) {
        cells[index] += 1.0;
        return 0;
    }
    PyObject *one = PyFloat_FromDouble(1.0);
    PyObject *done = one == NULL ? NULL : PyObject_CallFunctionObjArgs(recorder, one, NULL);
    Py_XDECREF(one);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
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
