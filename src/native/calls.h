/* What ends outgoing calls, for the rooms that know when. */

#ifndef MONAGENT_CALLS_H
#define MONAGENT_CALLS_H

#include "cells.h"

/* Whether a whole number of Python's own type was found, and small enough. */
int whole(PyObject *object, Py_ssize_t *number);

/* What ends one of these calls whose answer has this status, at this time; NULL, without an
   exception, where it is not plain. */
PyObject *plain_finish(PyObject *calls, PyObject *status, double end);

/* Whether the call could be recorded by it. */
int finished(PyObject *finish, double seconds, Py_ssize_t sent, Py_ssize_t received);

/* How often this process and those before it were forked. */
Py_ssize_t times_forked(void);

#endif
