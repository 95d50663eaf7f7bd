/* Calls whose answers were handed over with their bodies to come, see _aiohttp_body.Awaited. */

#include "calls.h"

static PyObject *name_dropped, *name_on_eof, *name_over, *name_total_bytes;

/* `content` alone holds it, until the last byte has come or none will. */
typedef struct {
    PyObject_HEAD
    PyObject *calls, *status, *content, *finish;
    Py_ssize_t forks;
    double seconds;
} Following;

#define OBJECT(name) {#name, T_OBJECT_EX, offsetof(Following, name), READONLY, NULL}
static PyMemberDef following_members[] = {
    OBJECT(calls),
    OBJECT(status),
    OBJECT(content),
    {"seconds", T_DOUBLE, offsetof(Following, seconds), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
#undef OBJECT

static int
following_traverse(Following *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->calls);
    Py_VISIT(self->status);
    Py_VISIT(self->content);
    Py_VISIT(self->finish);
    return 0;
}

static int
following_clear(Following *self)
{
    Py_CLEAR(self->calls);
    Py_CLEAR(self->status);
    Py_CLEAR(self->content);
    Py_CLEAR(self->finish);
    return 0;
}

static void
following_dealloc(PyObject *self)
{
    release(self, (inquiry)following_clear);
}

/* What is followed no more: the call has been recorded, or is nobody's. */
static PyObject *
done(Following *self, PyObject *result)
{
    if (result != NULL)
        following_clear(self);
    return result;
}

/* The last byte has come. */
static PyObject *
following_call(Following *self, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t received;

    if (self->calls == NULL || self->forks != times_forked())
        return done(self, Py_NewRef(Py_None));
    PyObject *content = Py_NewRef(self->content);
    PyObject *total = PyObject_GetAttr(content, name_total_bytes);
    Py_DECREF(content);
    int plain = whole(total, &received) && self->finish != NULL &&
        finished(self->finish, self->seconds, 0, received);
    Py_XDECREF(total);
    if (plain)
        return done(self, Py_NewRef(Py_None));
    leave();
    return done(self, PyObject_CallMethodObjArgs((PyObject *)self, name_over, NULL));
}

/* Its last reference goes, before the last byte has come where it still knows its calls. */
static void
following_finalize(PyObject *object)
{
    Following *self = (Following *)object;
    PyObject *type, *error, *traceback;

    if (self->calls == NULL || self->forks != times_forked())
        return;
    PyErr_Fetch(&type, &error, &traceback);
    Py_XDECREF(PyObject_CallMethodObjArgs(object, name_dropped, NULL));
    leave();
    following_clear(self); /* The end of the program asks for this before the last reference goes. */
    PyErr_Restore(type, error, traceback);
}

static PyType_Slot following_slots[] = {
    {Py_tp_doc, "A call whose answer was handed over with its body to come."},
    {Py_tp_call, following_call},
    {Py_tp_members, following_members},
    {Py_tp_traverse, following_traverse},
    {Py_tp_clear, following_clear},
    {Py_tp_finalize, following_finalize},
    {Py_tp_dealloc, following_dealloc},
    {0, NULL},
};
/* The finalizer is called for subclasses alone: what calls it is not in the stable interface. */
static PyType_Spec following_spec = {
    "monagent._native.Following", sizeof(Following), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, following_slots,
};

static PyTypeObject *Following_Type;

PyDoc_STRVAR(call_followed_doc,
    "call_followed(cls, calls, begun, status, content): whether the answer of a call was plain, and\n"
    "is counted when its body, `content` of aiohttp, is over.");

static PyObject *
call_followed(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyType_Check(args[0]) ||
        !PyType_IsSubtype((PyTypeObject *)args[0], Following_Type)) {
        PyErr_SetString(PyExc_TypeError, "expected cls, calls, begun, status, content");
        return NULL;
    }
    double end = now();
    PyObject *finish =
        Py_TYPE(args[2]) == &PyFloat_Type ? plain_finish(args[1], args[3], end) : NULL;
    if (finish == NULL)
        Py_RETURN_FALSE;
    PyTypeObject *cls = (PyTypeObject *)args[0];
    Following *self = (Following *)((allocfunc)PyType_GetSlot(cls, Py_tp_alloc))(cls, 0);
    if (self == NULL) {
        Py_DECREF(finish);
        return NULL;
    }
    self->calls = Py_NewRef(args[1]);
    self->status = Py_NewRef(args[3]);
    self->content = Py_NewRef(args[4]);
    self->finish = finish;
    self->forks = times_forked();
    self->seconds = end - PyFloat_AsDouble(args[2]);
    PyObject *given = PyObject_CallMethodObjArgs(self->content, name_on_eof, self, NULL);
    if (given == NULL) { /* As it will be for Python, which tells. */
        leave();
        following_clear(self);
    }
    Py_DECREF(self);
    Py_XDECREF(given);
    return PyBool_FromLong(given != NULL);
}

static PyMethodDef functions[] = {
    {"call_followed", (PyCFunction)(void (*)(void))call_followed, METH_FASTCALL, call_followed_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&name_dropped, "dropped"},
    {&name_on_eof, "on_eof"},
    {&name_over, "over"},
    {&name_total_bytes, "total_bytes"},
};

int
add_bodies(PyObject *module)
{
    if (INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Following_Type = made(module, "Following", &following_spec);
    return Following_Type == NULL ? -1 : 0;
}
