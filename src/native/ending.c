/* The end of a plain answer over ASGI. */

#include "exchange.h"

static PyObject *name_sent_all, *name_gone, *name_interrupted, *name_ending, *name_throw,
    *name_close;

/* The class of what coroutine functions give, as that of most servers is. */
static PyObject *coroutine_class;

/* The coroutine that sends the whole body of a plain answer, which ends the request with it.  Who
   looks at it sees the coroutine of the server that it stands for. */
typedef struct {
    PyObject_HEAD
    Exchange *request;
    PyObject *sending;
    char begun, over;
} Ending;

static PyTypeObject *Ending_Type;

static int
ending_traverse(Ending *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->request);
    Py_VISIT(self->sending);
    return 0;
}

static int
ending_clear(Ending *self)
{
    Py_CLEAR(self->request);
    Py_CLEAR(self->sending);
    return 0;
}

static void
ending_dealloc(PyObject *self)
{
    release(self, (inquiry)ending_clear);
}

/* The server's coroutine, borrowed; none, with an exception, once a garbage collection took it. */
static PyObject *
sending_of(Ending *self)
{
    if (self->sending == NULL)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return self->sending;
}

/* The body is with the server. */
static void
sent_whole(Ending *self)
{
    Exchange *request = self->request;

    self->over = 1;
    if (request == NULL || request->recorded)
        return;
    int done = end_plain(request);
    if (done == 0) {
        PyObject *result = PyObject_CallMethodObjArgs((PyObject *)request, name_sent_all, NULL);
        done = result == NULL ? -1 : 1;
        Py_XDECREF(result);
    }
    if (done < 0)
        report(http_failed);
}

/* It is not, and why is set. */
static void
not_sent(Exchange *request)
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
    else {
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)request, name_interrupted, NULL);
        if (done == NULL)
            report(http_failed);
        Py_XDECREF(done);
    }
    PyErr_Restore(type, error, traceback);
}

static void
sending_failed(Ending *self)
{
    self->over = 1;
    if (self->request != NULL)
        not_sent(self->request);
}

static PySendResult
ending_step(PyObject *object, PyObject *value, PyObject **result)
{
    Ending *self = (Ending *)object;
    PyObject *sending = sending_of(self);

    if (sending == NULL)
        return PYGEN_ERROR;
    self->begun = 1;
    Py_INCREF(sending);
    PySendResult how = PyIter_Send(sending, value, result);
    Py_DECREF(sending);
    if (how == PYGEN_RETURN)
        sent_whole(self);
    else if (how == PYGEN_ERROR)
        sending_failed(self);
    return how;
}

/* Has StopIteration carry what a coroutine has returned. */
static PyObject *
stopped_with(PyObject *result)
{
    PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);

    Py_DECREF(result);
    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    return NULL;
}

static PyObject *
ending_send(PyObject *self, PyObject *value)
{
    PyObject *result = NULL;

    return ending_step(self, value, &result) == PYGEN_RETURN ? stopped_with(result) : result;
}

static PyObject *
ending_next(PyObject *self)
{
    return ending_send(self, Py_None);
}

static PyObject *
ending_throw(Ending *self, PyObject *args)
{
    PyObject *sending = sending_of(self);
    PyObject *method = sending == NULL ? NULL : PyObject_GetAttr(sending, name_throw);
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, NULL);

    Py_XDECREF(method);
    if (result != NULL)
        return result;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        if (self->begun)
            sending_failed(self);
        return NULL;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    sent_whole(self);
    PyErr_Restore(type, error, traceback);
    return NULL;
}

static PyObject *
ending_close(Ending *self, PyObject *ignored)
{
    PyObject *sending = sending_of(self);
    PyObject *result =
        sending == NULL ? NULL : PyObject_CallMethodObjArgs(sending, name_close, NULL);

    if (result != NULL && self->begun && !self->over) {
        PyErr_SetNone(PyExc_GeneratorExit);
        sending_failed(self);
        PyErr_Clear();
    }
    return result;
}

static PyObject *
ending_await(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *
ending_repr(Ending *self)
{
    PyObject *sending = sending_of(self);

    return sending == NULL ? NULL : PyObject_Repr(sending);
}

static PyObject *
ending_class(Ending *self, void *ignored)
{
    PyObject *one = self->sending == NULL ? (PyObject *)self : self->sending;
    PyObject *type = (PyObject *)Py_TYPE(one);

    Py_INCREF(type);
    return type;
}

static PyObject *
ending_getattro(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(object, name), *sending = ((Ending *)object)->sending;

    if (found != NULL || sending == NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(sending, name);
}

static PyMethodDef ending_methods[] = {
    {"send", ending_send, METH_O, "send(value): as a coroutine's."},
    {"throw", (PyCFunction)ending_throw, METH_VARARGS, "throw(error): as a coroutine's."},
    {"close", (PyCFunction)ending_close, METH_NOARGS, "close(): as a coroutine's."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ending_getset[] = {
    {"__class__", (getter)ending_class, NULL, "That of the server's coroutine.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ending_slots[] = {
    {Py_tp_doc, "The coroutine that sends the whole body of a plain answer."},
    {Py_am_await, ending_await},
    {Py_am_send, ending_step},
    {Py_tp_iternext, ending_next},
    {Py_tp_getattro, ending_getattro},
    {Py_tp_repr, ending_repr},
    {Py_tp_methods, ending_methods},
    {Py_tp_getset, ending_getset},
    {Py_tp_traverse, ending_traverse},
    {Py_tp_clear, ending_clear},
    {Py_tp_dealloc, ending_dealloc},
    {0, NULL},
};
static PyType_Spec ending_spec = {
    "monagent._native.Ending", sizeof(Ending), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    ending_slots,
};

PyObject *
ends(Exchange *self, PyObject *send, PyObject *message)
{
    PyObject *sending = PyObject_CallFunctionObjArgs(send, message, NULL);
    if (sending == NULL) {
        not_sent(self);
        return NULL;
    }
    if ((PyObject *)Py_TYPE(sending) != coroutine_class) {
        PyObject *waiting =
            PyObject_CallMethodObjArgs((PyObject *)self, name_ending, message, sending, NULL);
        Py_DECREF(sending);
        return waiting;
    }
    Ending *ending = (Ending *)((allocfunc)PyType_GetSlot(Ending_Type, Py_tp_alloc))(Ending_Type, 0);
    if (ending == NULL) {
        Py_DECREF(sending);
        return NULL;
    }
    Py_INCREF(self);
    ending->request = self;
    ending->sending = sending;
    return (PyObject *)ending;
}

PyDoc_STRVAR(coroutines_are_doc, "coroutines_are(cls): the class of what coroutine functions give.");

static PyObject *
coroutines_are(PyObject *module, PyObject *given)
{
    put(&coroutine_class, given);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"coroutines_are", coroutines_are, METH_O, coroutines_are_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&name_sent_all, "sent_all"},
    {&name_gone, "gone"},
    {&name_interrupted, "interrupted"},
    {&name_ending, "ending"},
    {&name_throw, "throw"},
    {&name_close, "close"},
};

int
add_endings(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Ending_Type = made(module, "Ending", &ending_spec);
    return Ending_Type == NULL ? -1 : 0;
}
