/* Statements of a library that stands on others: while one goes on, those below record nothing. */

#include "native.h"

#include "timer.h"

/* What monagent.conventions.database.Statement is where this was not built: true until its end. */
typedef struct {
    PyObject_HEAD
    PyObject *labels;
    double start;
    char on;
} Statement;

static PyTypeObject *Statement_Type;

/* What `use_covers` was given: see monagent.conventions.database. */
static PyObject *covered, *cover, *timers, *timer_of;

static void
statement_dealloc(Statement *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_XDECREF(self->labels);
    PyObject_Free(self);
    Py_DECREF(type);
}

static int
statement_bool(Statement *self)
{
    return self->on;
}

PyDoc_STRVAR(clear_doc, "clear(): from here on libraries below record what they do.");

static PyObject *
clear(Statement *self, PyObject *ignored)
{
    self->on = 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ended_doc, "ended(): it went well.");

static PyObject *
ended(Statement *self, PyObject *ignored)
{
    self->on = 0;
    if (self->labels == NULL) {
        PyErr_SetString(PyExc_AttributeError, "labels");
        return NULL;
    }
    PyObject *timer = PyDict_GetItemWithError(timers, self->labels);
    if (timer == NULL && PyErr_Occurred())
        return NULL;
    if (timer != NULL && is_timer(timer)) {
        Py_INCREF(timer);
        int done = end_timer(timer, self->start);
        Py_DECREF(timer);
        if (done < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    timer = PyObject_CallFunctionObjArgs(timer_of, self->labels, NULL);
    PyObject *start = timer == NULL ? NULL : PyFloat_FromDouble(self->start);
    PyObject *done = start == NULL ? NULL : PyObject_CallFunctionObjArgs(timer, start, NULL);
    Py_XDECREF(timer);
    Py_XDECREF(start);
    return done;
}

static PyMethodDef statement_methods[] = {
    {"clear", (PyCFunction)clear, METH_NOARGS, clear_doc},
    {"ended", (PyCFunction)ended, METH_NOARGS, ended_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef statement_members[] = {
    {"labels", T_OBJECT_EX, offsetof(Statement, labels), READONLY, NULL},
    {"start", T_DOUBLE, offsetof(Statement, start), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* No part in garbage collection: labels are texts. */
static PyType_Slot statement_slots[] = {
    {Py_tp_doc, "One statement; true until its end."},
    {Py_tp_methods, statement_methods},
    {Py_tp_members, statement_members},
    {Py_nb_bool, statement_bool},
    {Py_tp_dealloc, statement_dealloc},
    {0, NULL},
};
static PyType_Spec statement_spec = {
    "monagent._native.Statement", sizeof(Statement), 0, Py_TPFLAGS_DEFAULT, statement_slots,
};

PyDoc_STRVAR(begun_doc,
    "begun(labels): a statement that begins now; None where a library above records it.");

static PyObject *
begun(PyObject *module, PyObject *labels)
{
    if (Py_TYPE(labels) != &PyTuple_Type || timers == NULL) {
        PyErr_SetString(PyExc_TypeError, "expected labels, and to know where covers are");
        return NULL;
    }
    PyObject *mark = PyObject_CallObject(covered, NULL);
    if (mark == NULL)
        return NULL;
    int above = Py_TYPE(mark) == Statement_Type ? ((Statement *)mark)->on : PyObject_IsTrue(mark);
    Py_DECREF(mark);
    if (above < 0)
        return NULL;
    if (above)
        Py_RETURN_NONE;
    Statement *self = PyObject_New(Statement, Statement_Type);
    if (self == NULL)
        return NULL;
    Py_INCREF(labels);
    self->labels = labels;
    self->start = 0.0;
    self->on = 1;
    PyObject *token = PyObject_CallFunctionObjArgs(cover, (PyObject *)self, NULL);
    if (token == NULL) {
        self->on = 0;
        Py_DECREF(self);
        return NULL;
    }
    Py_DECREF(token);
    self->start = now();
    return (PyObject *)self;
}

PyDoc_STRVAR(use_covers_doc,
    "use_covers(covered, cover, timers, timer_of): what monagent.conventions.database has.");

static PyObject *
use_covers(PyObject *module, PyObject *args)
{
    PyObject *given[4];

    if (!PyArg_ParseTuple(args, "OOO!O", &given[0], &given[1], &PyDict_Type, &given[2], &given[3]))
        return NULL;
    put(&covered, given[0]);
    put(&cover, given[1]);
    put(&timers, given[2]);
    put(&timer_of, given[3]);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"begun", begun, METH_O, begun_doc},
    {"use_covers", use_covers, METH_VARARGS, use_covers_doc},
    {NULL, NULL, 0, NULL},
};

int
add_statements(PyObject *module)
{
    if (PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Statement_Type = made(module, "Statement", &statement_spec);
    return Statement_Type == NULL ? -1 : 0;
}
