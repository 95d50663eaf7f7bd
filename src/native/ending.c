/* The end of a plain answer over ASGI. */

#include "relay.h"

static PyObject *name_sent_all, *name_gone, *name_interrupted, *name_ending;

/* The body is with the server. */
static void
sent_whole(Exchange *request, PyObject *ignored)
{
    if (request->recorded)
        return;
    int done = end_plain(request);
    if (done < 0)
        report(http_failed);
    else if (done == 0)
        no_more(PyObject_CallMethodObjArgs((PyObject *)request, name_sent_all, NULL));
}

/* It is not, and why is set. */
static void
not_sent(Exchange *request, PyObject *ignored)
{
    PyObject *type, *error, *traceback;

    int left = PyErr_ExceptionMatches(PyExc_OSError);
    if (!left && PyErr_ExceptionMatches(PyExc_Exception))
        return;
    PyErr_Fetch(&type, &error, &traceback);
    if (left) {
        if (PyObject_SetAttr((PyObject *)request, name_gone, Py_True) < 0)
            report(http_failed);
    }
    else
        no_more(PyObject_CallMethodObjArgs((PyObject *)request, name_interrupted, NULL));
    PyErr_Restore(type, error, traceback);
}

static void
never_sent(Exchange *request, PyObject *ignored)
{
}

static const Listener listener = {sent_whole, not_sent, never_sent};

PyObject *
ends(Exchange *self, PyObject *send, PyObject *message)
{
    PyObject *sending = PyObject_CallFunctionObjArgs(send, message, NULL);
    if (sending == NULL) {
        not_sent(self, NULL);
        return NULL;
    }
    if (is_coroutine(sending))
        return relay(sending, &listener, self, NULL);
    PyObject *waiting =
        PyObject_CallMethodObjArgs((PyObject *)self, name_ending, message, sending, NULL);
    Py_DECREF(sending);
    return waiting;
}

static const Text texts[] = {
    {&name_sent_all, "sent_all"},
    {&name_gone, "gone"},
    {&name_interrupted, "interrupted"},
    {&name_ending, "ending"},
};

int
add_endings(PyObject *module)
{
    return INTERN(texts);
}
