/* A request on its way through a server. */

#ifndef MONAGENT_EXCHANGE_H
#define MONAGENT_EXCHANGE_H

#include "native.h"

/* What monagent.conventions._exchange.Exchange and its subclasses know of a request. */
typedef struct {
    PyObject_HEAD
    PyObject *arrival, *active, *prefix, *route, *status;
    PyObject *receive, *send, *head;         /* over ASGI */
    PyObject *start_response, *write, *body; /* over WSGI */
    double start, first, end;
    Py_ssize_t received, sent;
    int stage;
    char plain, recorded;
} Exchange;

extern PyTypeObject *Exchange_Type;

/* What requests of one method and scheme share: see `_arrivals.Arrival`, whose base it is. */
typedef struct {
    PyObject_HEAD
    PyObject *add, *cell, *enders;
} Arrival;

extern PyTypeObject *Arrival_Type;

/* The key under which it lies in its scope or environ, and the status before there is one. */
extern PyObject *exchange_key, *no_status;

/* What is told of an exception of ours where no caller of ours can take it. */
extern PyObject *http_failed;

/* Lets go of what a function of ours gave; if it gave nothing, its exception is told of. */
static inline void
no_more(PyObject *given)
{
    if (given == NULL)
        report(http_failed);
    Py_XDECREF(given);
}

static inline int
is_exchange(PyObject *object)
{
    return Py_TYPE(object) == Exchange_Type || PyType_IsSubtype(Py_TYPE(object), Exchange_Type);
}

static inline int
is_arrival(PyObject *object)
{
    return PyType_IsSubtype(Py_TYPE(object), Arrival_Type);
}

/* A new `cls`, filled for a request that arrives now and is one of the active ones. */
Exchange *arrive(PyObject *cls, PyObject *arrival);

/* What requests of this scheme and method share, borrowed; NULL where none came yet. */
PyObject *known(PyObject *arrivals, PyObject *request, PyObject *scheme, PyObject *method);

/* A request over ASGI that arrives now in this dictionary; NULL, without an exception too, of any
   that is not plain. */
Exchange *asgi_arrival(PyObject *cls, PyObject *arrivals, PyObject *scope, PyObject *receive,
                       PyObject *send);

/* Whether it is a request's own, or a function or partial of somebody's that may hold that:
   `_handed_on.held_by` tells what that means. */
int may_hold(PyObject *cls, PyObject *handed_on);

/* The same of what may be an object's method, too, but for objects of the class `server`. */
int is_handed_on(PyObject *cls, PyObject *given, PyObject *server);

/* Puts the request into its scope or environ; the time of its arrival comes last. */
PyObject *kept(PyObject *holder, Exchange *self);

/* What sends the whole body of a plain answer by the server's `send`, and ends the request with it. */
PyObject *ends(Exchange *self, PyObject *send, PyObject *message);

/* Ends a plain answer whose ender is known: 1 done, 0 not one of those, -1 an exception. */
int end_plain(Exchange *self);

#endif
