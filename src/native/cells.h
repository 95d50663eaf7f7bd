/* Where values are kept: the doubles of this process's shard, which `mem[0]` is a view of.

   Between reading where a shard's cells lie and adding to them nothing of Python's runs, so neither
   another thread nor a fork nor growth comes in between; every index is checked against the size. */

#ifndef MONAGENT_CELLS_H
#define MONAGENT_CELLS_H

#include "native.h"

#define MOST_EDGES 64

/* The cells of the shard whose `mem` this is; NULL without an exception where it has none now, as
   that of a child that has not recorded yet. */
double *cells_of(PyObject *mem, Py_ssize_t *count);

/* Adds 1 to the first cell that `recorder` adds to: its place is `index` in `mem`. */
int add_one(PyObject *mem, Py_ssize_t index, PyObject *recorder);

/* A histogram: its first cell and its edges. */
typedef struct {
    Py_ssize_t at;
    int edges;
    double edge[MOST_EDGES];
} Place;

/* From (index, edges), as `fused.place` tells it of a histogram. */
int place_from(PyObject *at, PyObject *edges, Place *place);

/* The bucket of `value`: that of the first edge not below it, as bisect_left finds it. */
static inline Py_ssize_t
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

/* Whether a cell is one of `count`. */
static inline int
among(Py_ssize_t index, Py_ssize_t count)
{
    return index >= 0 && index < count;
}

/* Whether all cells of the histogram are among `count`. */
static inline int
within(const Place *place, Py_ssize_t count)
{
    return place->at >= 0 && place->at + 1 + place->edges < count;
}

#endif
