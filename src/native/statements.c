/* Statements of a library that stands on others: while one goes on, those below record nothing.

   They find it by the context, or, in a task of asyncio, by the task, since tasks may share a
   context.  A task's timers keep a copy of its context each, also those that are cancelled, until
   their time has come: a context that changes with each statement keeps what was in it alive as
   long, and has garbage collected three times as often. */

#include "native.h"

#include "timer.h"

/* What monagent.conventions.database.Statement is where this was not built: true until its end. */
typedef struct Statement {
    PyObject_HEAD
    PyObject *labels;
    double start;
    char on;
    void *task; /* by whose address it is found, if it is; of those one after the other */
    struct Statement *next, **link;
} Statement;

static PyTypeObject *Statement_Type;

/* What `use_covers` was given: see monagent.conventions.database. */
static PyObject *get_cover, *set_cover, *timers, *timer_of;

/* What `use_tasks` was given: which loop runs, and which task in it, as a function or by loop. */
static PyObject *running_loop, *task_of;

/* Those that are on and found by their tasks. */
static Statement *first;

static void
found_no_more(Statement *self)
{
    if (self->task == NULL)
        return;
    self->task = NULL;
    *self->link = self->next;
    if (self->next != NULL)
        self->next->link = self->link;
}

static void
found_by(Statement *self, void *task)
{
    self->task = task;
    self->link = &first;
    self->next = first;
    if (first != NULL)
        first->link = &self->next;
    first = self;
}

/* The address of the task that runs; NULL where none does, or it can't be told. */
static void *
current_task(void)
{
    if (running_loop == NULL)
        return NULL;
    PyObject *loop = PyObject_CallObject(running_loop, NULL);
    PyObject *task = NULL;
    if (loop != NULL && loop != Py_None) {
        if (PyDict_Check(task_of)) {
            task = PyDict_GetItemWithError(task_of, loop);
            Py_XINCREF(task);
        }
        else
            task = PyObject_CallFunctionObjArgs(task_of, loop, NULL);
    }
    Py_XDECREF(loop);
    Py_XDECREF(task); /* It runs: somebody else holds it. */
    if (task == NULL)
        PyErr_Clear();
    return task == Py_None ? NULL : task;
}

/* Whether a statement of this task goes on. */
static int
within_task(void *task)
{
    for (Statement *one = first; one != NULL; one = one->next)
        if (one->task == task)
            return 1;
    return 0;
}

/* Whether the context says that a library above records; -1 after an exception. */
static int
within_context(void)
{
    if (get_cover == NULL) {
        PyErr_SetString(PyExc_TypeError, "expected to know where covers are");
        return -1;
    }
    PyObject *mark = PyObject_CallObject(get_cover, NULL);
    if (mark == NULL)
        return -1;
    int above = Py_TYPE(mark) == Statement_Type ? ((Statement *)mark)->on : PyObject_IsTrue(mark);
    Py_DECREF(mark);
    return above;
}

static void
statement_dealloc(Statement *self)
{
    PyTypeObject *type = Py_TYPE(self);

    found_no_more(self);
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
    found_no_more(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ended_doc, "ended(): it went well.");

static PyObject *
ended(Statement *self, PyObject *ignored)
{
    self->on = 0;
    found_no_more(self);
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

static Statement *
new_statement(PyObject *labels)
{
    Statement *self = PyObject_New(Statement, Statement_Type);
    if (self == NULL)
        return NULL;
    Py_XINCREF(labels);
    self->labels = labels;
    self->start = 0.0;
    self->on = 1;
    self->task = NULL;
    return self;
}

PyDoc_STRVAR(begun_doc,
    "begun(labels): a statement that begins now; None where a library above records it.");

static PyObject *
begun(PyObject *module, PyObject *labels)
{
    if (Py_TYPE(labels) != &PyTuple_Type || timers == NULL) {
        PyErr_SetString(PyExc_TypeError, "expected labels, and to know where covers are");
        return NULL;
    }
    int above = within_context();
    if (above < 0)
        return NULL;
    void *task = above ? NULL : current_task();
    if (above || (task != NULL && within_task(task)))
        Py_RETURN_NONE;
    Statement *self = new_statement(labels);
    if (self == NULL)
        return NULL;
    if (task != NULL)
        found_by(self, task);
    else {
        PyObject *token = PyObject_CallFunctionObjArgs(set_cover, (PyObject *)self, NULL);
        if (token == NULL) {
            self->on = 0;
            Py_DECREF(self);
            return NULL;
        }
        Py_DECREF(token);
    }
    self->start = now();
    return (PyObject *)self;
}

PyDoc_STRVAR(noted_doc,
    "noted(): a mark that is found by the task that runs: see monagent.conventions._covers.Cover.");

static PyObject *
noted(PyObject *module, PyObject *ignored)
{
    void *task = current_task();
    Statement *self = new_statement(NULL);
    if (self == NULL)
        return NULL;
    if (task != NULL)
        found_by(self, task);
    return (PyObject *)self;
}

PyDoc_STRVAR(covered_doc, "covered(): whether a library above records what is going on.");

static PyObject *
covered(PyObject *module, PyObject *ignored)
{
    if (first != NULL) {
        void *task = current_task();
        if (task != NULL && within_task(task))
            Py_RETURN_TRUE;
    }
    int above = within_context();
    return above < 0 ? NULL : PyBool_FromLong(above);
}

PyDoc_STRVAR(use_covers_doc,
    "use_covers(get, set, timers, timer_of): the context variable's, and what\n"
    "monagent.conventions.database has.");

static PyObject *
use_covers(PyObject *module, PyObject *args)
{
    PyObject *given[4];

    if (!PyArg_ParseTuple(args, "OOO!O", &given[0], &given[1], &PyDict_Type, &given[2], &given[3]))
        return NULL;
    put(&get_cover, given[0]);
    put(&set_cover, given[1]);
    put(&timers, given[2]);
    put(&timer_of, given[3]);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(use_tasks_doc,
    "use_tasks(running_loop, task_of): from here on statements of tasks are found by their tasks.\n"
    "What gives the loop that runs, or None, and its task: a function, or a dictionary by loop.");

static PyObject *
use_tasks(PyObject *module, PyObject *args)
{
    PyObject *given[2];

    if (!PyArg_ParseTuple(args, "OO", &given[0], &given[1]))
        return NULL;
    put(&task_of, given[1]);
    put(&running_loop, given[0]);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(forget_tasks_doc, "forget_tasks(): in a child, whose statements begin anew.");

static PyObject *
forget_tasks(PyObject *module, PyObject *ignored)
{
    while (first != NULL)
        found_no_more(first);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"begun", begun, METH_O, begun_doc},
    {"noted", noted, METH_NOARGS, noted_doc},
    {"covered", covered, METH_NOARGS, covered_doc},
    {"use_covers", use_covers, METH_VARARGS, use_covers_doc},
    {"use_tasks", use_tasks, METH_VARARGS, use_tasks_doc},
    {"forget_tasks", forget_tasks, METH_NOARGS, forget_tasks_doc},
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
