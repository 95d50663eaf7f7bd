/* What ends an operation: `fused.timer`. */

#ifndef MONAGENT_TIMER_H
#define MONAGENT_TIMER_H

#include "native.h"

/* Whether it is one of ours. */
int is_timer(PyObject *object);

/* Counts the seconds since `begun`; -1 after an exception. */
int end_timer(PyObject *timer, double begun);

#endif
