/* What adds to one series, or to those that move together at an attempt's end. */

#ifndef MONAGENT_RECORDERS_H
#define MONAGENT_RECORDERS_H

#include "cells.h"

typedef struct {
    PyObject_HEAD
    PyObject *in_python, *mem;
    Place place;
    Py_ssize_t active, busy, number, last;
    enum { COUNTER, HISTOGRAM, ATTEMPT } kind;
} Recorder;

extern PyTypeObject *Recorder_Type;

/* Whether all its cells are among `count`. */
int recordable(const Recorder *self, Py_ssize_t count);

/* Adds to cells that are; nothing of Python's runs. */
void record_value(const Recorder *self, double *cells, double value);

#endif
