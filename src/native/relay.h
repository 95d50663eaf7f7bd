/* A coroutine that stands for another one, and hears how that one ends. */

#ifndef MONAGENT_RELAY_H
#define MONAGENT_RELAY_H

#include "exchange.h"

/* What is told of a request, and of the scope that came with it or NULL, once. */
typedef struct {
    void (*returned)(Exchange *request, PyObject *scope);
    void (*raised)(Exchange *request, PyObject *scope); /* The exception is set, and stays. */
    void (*unbegun)(Exchange *request, PyObject *scope); /* It never will; an exception may be set. */
} Listener;

/* Whether it is what a coroutine function gives, as one stands for no other. */
int is_coroutine(PyObject *object);

/* What stands for a coroutine, which it takes over.  Who looks at it sees that one. */
PyObject *relay(PyObject *coroutine, const Listener *listener, Exchange *request, PyObject *scope);

#endif
