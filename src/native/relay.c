/* A coroutine that stands for another one, and hears how that one ends. */

#include "relay.h"

static PyObject *name_throw, *name_close;

/* The class of what coroutine functions give, as that of most servers and applications is. */
static PyObject *coroutine_class;

typedef struct {
    PyObject_HEAD
    PyObject *coroutine, *scope;
    Exchange *request; /* NULL once it is over */
    const Listener *listener;
    char begun, running;
} Relay;

static PyTypeObject *Relay_Type;

/* It is over: the listener hears of it. */
static void
over(Relay *self, void (*told)(Exchange *, PyObject *))
{
    Exchange *request = self->request;
    PyObject *scope = self->scope;

    if (request == NULL)
        return;
    self->request = NULL;
    self->scope = NULL;
    told(request, scope);
    Py_DECREF(request);
    Py_XDECREF(scope);
}

/* It was closed, as coroutines are that nobody has any more. */
static void
closed(Relay *self)
{
    PyObject *type, *error, *traceback;

    if (self->request == NULL)
        return;
    PyErr_Fetch(&type, &error, &traceback);
    if (self->begun)
        PyErr_SetNone(PyExc_GeneratorExit);
    over(self, self->begun ? self->listener->raised : self->listener->unbegun);
    PyErr_Clear();
    PyErr_Restore(type, error, traceback);
}

static int
relay_traverse(Relay *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->coroutine);
    Py_VISIT(self->request);
    Py_VISIT(self->scope);
    return 0;
}

static int
relay_clear(Relay *self)
{
    Py_CLEAR(self->coroutine); /* It closes, if nobody else has it. */
    closed(self);
    return 0;
}

static void
relay_dealloc(PyObject *self)
{
    release(self, (inquiry)relay_clear);
}

/* The coroutine, borrowed; none, with an exception, once a garbage collection took it. */
static PyObject *
coroutine_of(Relay *self)
{
    if (self->coroutine == NULL)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    else if (self->running)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else
        return self->coroutine;
    return NULL;
}

static PySendResult
relay_step(PyObject *object, PyObject *value, PyObject **result)
{
    Relay *self = (Relay *)object;
    PyObject *coroutine = coroutine_of(self);

    if (coroutine == NULL)
        return PYGEN_ERROR;
    if (!self->begun && value != Py_None) /* Before it has begun it takes None alone. */
        return PyIter_Send(coroutine, value, result);
    self->begun = self->running = 1;
    PySendResult how = PyIter_Send(coroutine, value, result);
    self->running = 0;
    if (how != PYGEN_NEXT)
        over(self, how == PYGEN_RETURN ? self->listener->returned : self->listener->raised);
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
relay_send(PyObject *self, PyObject *value)
{
    PyObject *result = NULL;

    return relay_step(self, value, &result) == PYGEN_RETURN ? stopped_with(result) : result;
}

static PyObject *
relay_next(PyObject *self)
{
    return relay_send(self, Py_None);
}

/* It has ended by an exception that was set then, or has returned, as StopIteration says. */
static void
ended_by_error(Relay *self)
{
    PyObject *type, *error, *traceback;

    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        over(self, self->begun ? self->listener->raised : self->listener->unbegun);
        return;
    }
    PyErr_Fetch(&type, &error, &traceback);
    over(self, self->listener->returned);
    PyErr_Restore(type, error, traceback);
}

/* What a method of the coroutine gives. */
static PyObject *
asked(Relay *self, PyObject *name, PyObject *args)
{
    PyObject *coroutine = coroutine_of(self);
    PyObject *method = coroutine == NULL ? NULL : PyObject_GetAttr(coroutine, name);

    if (method == NULL)
        return NULL;
    self->running = 1;
    PyObject *result = PyObject_CallObject(method, args);
    self->running = 0;
    Py_DECREF(method);
    if (result == NULL)
        ended_by_error(self);
    return result;
}

static PyObject *
relay_throw(PyObject *self, PyObject *args)
{
    return asked((Relay *)self, name_throw, args);
}

static PyObject *
relay_close(PyObject *object, PyObject *ignored)
{
    Relay *self = (Relay *)object;
    PyObject *result = asked(self, name_close, NULL);

    if (result != NULL)
        closed(self);
    return result;
}

static PyObject *
relay_await(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *
relay_repr(PyObject *object)
{
    PyObject *coroutine = ((Relay *)object)->coroutine;

    return coroutine == NULL ? PyObject_Str((PyObject *)Py_TYPE(object)) : PyObject_Repr(coroutine);
}

static PyObject *
relay_class(PyObject *object, void *ignored)
{
    PyObject *coroutine = ((Relay *)object)->coroutine;
    PyObject *type = (PyObject *)Py_TYPE(coroutine == NULL ? object : coroutine);

    Py_INCREF(type);
    return type;
}

static PyObject *
relay_getattro(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(object, name);
    PyObject *coroutine = ((Relay *)object)->coroutine;

    if (found != NULL || coroutine == NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(coroutine, name);
}

static PyMethodDef relay_methods[] = {
    {"send", relay_send, METH_O, "send(value): as a coroutine's."},
    {"throw", relay_throw, METH_VARARGS, "throw(error): as a coroutine's."},
    {"close", relay_close, METH_NOARGS, "close(): as a coroutine's."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef relay_getset[] = {
    {"__class__", relay_class, NULL, "That of the coroutine.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot relay_slots[] = {
    {Py_tp_doc, "A coroutine that stands for another one, and hears how that one ends."},
    {Py_am_await, relay_await},
    {Py_am_send, relay_step},
    {Py_tp_iternext, relay_next},
    {Py_tp_getattro, relay_getattro},
    {Py_tp_repr, relay_repr},
    {Py_tp_methods, relay_methods},
    {Py_tp_getset, relay_getset},
    {Py_tp_traverse, relay_traverse},
    {Py_tp_clear, relay_clear},
    {Py_tp_dealloc, relay_dealloc},
    {0, NULL},
};
static PyType_Spec relay_spec = {
    "monagent._native.Relay", sizeof(Relay), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, relay_slots,
};

int
is_coroutine(PyObject *object)
{
    return (PyObject *)Py_TYPE(object) == coroutine_class;
}

PyObject *
relay(PyObject *coroutine, const Listener *listener, Exchange *request, PyObject *scope)
{
    Relay *self = (Relay *)((allocfunc)PyType_GetSlot(Relay_Type, Py_tp_alloc))(Relay_Type, 0);

    if (self == NULL) { /* It does without. */
        report(http_failed);
        return coroutine;
    }
    Py_INCREF(request);
    Py_XINCREF(scope);
    self->coroutine = coroutine;
    self->listener = listener;
    self->request = request;
    self->scope = scope;
    return (PyObject *)self;
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

static const Text texts[] = {{&name_throw, "throw"}, {&name_close, "close"}};

int
add_relays(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Relay_Type = made(module, "Relay", &relay_spec);
    return Relay_Type == NULL ? -1 : 0;
}
