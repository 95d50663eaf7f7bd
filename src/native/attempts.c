/* Attempts to run a job, as monagent.integrations._celery_attempts has them. */

#include "recorders.h"

#include <time.h>

/* What `conventions.jobs.Lane` knows. */
typedef struct {
    PyObject_HEAD
    PyObject *queue, *job_type, *mem, *waited, *ends;
    Py_ssize_t active, busy;
} Lane;

/* What `_celery_attempts.Attempt` knows. */
typedef struct {
    PyObject_HEAD
    PyObject *lane, *sent, *eta, *status;
    double began;
    char ended;
} Attempt;

static PyTypeObject *Lane_Type, *Attempt_Type;
static PyObject *no_arguments, *failed_status;
static PyObject *name_exchange, *name_routing_key, *name_redelivered, *name_properties,
    *name_message_id, *name_received;

#define STAMP "monagent/"

static int
lane_traverse(Lane *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->queue);
    Py_VISIT(self->job_type);
    Py_VISIT(self->mem);
    Py_VISIT(self->waited);
    Py_VISIT(self->ends);
    return 0;
}

static int
lane_clear(Lane *self)
{
    Py_CLEAR(self->queue);
    Py_CLEAR(self->job_type);
    Py_CLEAR(self->mem);
    Py_CLEAR(self->waited);
    Py_CLEAR(self->ends);
    return 0;
}

static void
lane_dealloc(PyObject *self)
{
    release(self, (inquiry)lane_clear);
}

static PyMemberDef lane_members[] = {
    {"queue", T_OBJECT_EX, offsetof(Lane, queue), 0, NULL},
    {"job_type", T_OBJECT_EX, offsetof(Lane, job_type), 0, NULL},
    {"_mem", T_OBJECT_EX, offsetof(Lane, mem), 0, NULL},
    {"_waited", T_OBJECT_EX, offsetof(Lane, waited), 0, NULL},
    {"_ends", T_OBJECT_EX, offsetof(Lane, ends), 0, NULL},
    {"_active", T_PYSSIZET, offsetof(Lane, active), 0, NULL},
    {"_busy", T_PYSSIZET, offsetof(Lane, busy), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot lane_slots[] = {
    {Py_tp_doc, "The numbers of one type of job on one queue."},
    {Py_tp_members, lane_members},
    {Py_tp_traverse, lane_traverse},
    {Py_tp_clear, lane_clear},
    {Py_tp_dealloc, lane_dealloc},
    {0, NULL},
};
static PyType_Spec lane_spec = {
    "monagent._native.Lane", sizeof(Lane), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, lane_slots,
};

static int
attempt_traverse(Attempt *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->lane);
    Py_VISIT(self->sent);
    Py_VISIT(self->eta);
    Py_VISIT(self->status);
    return 0;
}

static int
attempt_clear(Attempt *self)
{
    Py_CLEAR(self->lane);
    Py_CLEAR(self->sent);
    Py_CLEAR(self->eta);
    Py_CLEAR(self->status);
    return 0;
}

static void
attempt_dealloc(PyObject *self)
{
    release(self, (inquiry)attempt_clear);
}

static PyMemberDef attempt_members[] = {
    {"_lane", T_OBJECT_EX, offsetof(Attempt, lane), 0, NULL},
    {"_sent", T_OBJECT_EX, offsetof(Attempt, sent), 0, NULL},
    {"_eta", T_OBJECT_EX, offsetof(Attempt, eta), 0, NULL},
    {"status", T_OBJECT_EX, offsetof(Attempt, status), 0, NULL},
    {"_began", T_DOUBLE, offsetof(Attempt, began), 0, NULL},
    {"_ended", T_BOOL, offsetof(Attempt, ended), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot attempt_slots[] = {
    {Py_tp_doc, "From the arrival of a message to its first decided state."},
    {Py_tp_members, attempt_members},
    {Py_tp_traverse, attempt_traverse},
    {Py_tp_clear, attempt_clear},
    {Py_tp_dealloc, attempt_dealloc},
    {0, NULL},
};
static PyType_Spec attempt_spec = {
    "monagent._native.Attempt", sizeof(Attempt), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, attempt_slots,
};

static int
is_a(PyObject *object, PyTypeObject *type)
{
    return object != NULL && (Py_TYPE(object) == type || PyType_IsSubtype(Py_TYPE(object), type));
}

PyDoc_STRVAR(stamp_doc, "stamp(boot): that of a message that is sent now, see conventions._sent.");

static PyObject *
stamp(PyObject *module, PyObject *boot)
{
    struct timespec day, ticks;

    if (!PyUnicode_Check(boot)) {
        PyErr_SetString(PyExc_TypeError, "expected text");
        return NULL;
    }
    clock_gettime(CLOCK_REALTIME, &day);
    clock_gettime(CLOCK_MONOTONIC, &ticks);
    return PyUnicode_FromFormat(STAMP "%lld/%U/%lld",
                                (long long)day.tv_sec * 1000000000 + day.tv_nsec, boot,
                                (long long)ticks.tv_sec * 1000000000 + ticks.tv_nsec);
}

/* Seconds from a number of nanoseconds that ends before `end`; -1 where it is none. */
static double
seconds_of(const char *text, const char *end)
{
    unsigned long long value = 0;

    if (end - text < 1 || end - text > 19)
        return -1.0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return -1.0;
        value = value * 10 + (unsigned)(*text - '0');
    }
    return (double)value / 1e9;
}

/* What `_sent.read` gives for the stamp of a sender on this boot: a new tuple; None where there is
   no message_id; NULL, mostly without an exception, of anything else. */
static PyObject *
read_stamp(PyObject *text, PyObject *boot)
{
    Py_ssize_t length, boot_length;

    if (text == NULL || text == Py_None) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    if (Py_TYPE(text) != &PyUnicode_Type)
        return NULL;
    const char *said = PyUnicode_AsUTF8AndSize(text, &length);
    const char *here = said == NULL ? NULL : PyUnicode_AsUTF8AndSize(boot, &boot_length);
    if (here == NULL) {
        PyErr_Clear();
        return NULL;
    }
    const char *end = said + length;
    if (boot_length == 0 || length < (Py_ssize_t)sizeof STAMP - 1 ||
        memcmp(said, STAMP, sizeof STAMP - 1) != 0)
        return NULL;
    said += sizeof STAMP - 1;
    const char *slash = memchr(said, '/', end - said);
    double at = slash == NULL ? -1.0 : seconds_of(said, slash);
    if (at < 0.0 || end - slash < boot_length + 3 || memcmp(slash + 1, here, boot_length) != 0 ||
        slash[1 + boot_length] != '/')
        return NULL;
    double ticks = seconds_of(slash + 2 + boot_length, end);
    return ticks < 0.0 ? NULL : Py_BuildValue("(dOd)", at, boot, ticks);
}

PyDoc_STRVAR(attempted_doc,
    "attempted(cls, lanes, current, boot, app, delivery, job_type, eta, facts): a new attempt for a\n"
    "message; None of any that is not plain.");

static PyObject *
attempted(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 9 || !PyType_Check(args[0]) ||
        !PyType_IsSubtype((PyTypeObject *)args[0], Attempt_Type) || !PyDict_Check(args[1]) ||
        !PyList_Check(args[2]) || Py_TYPE(args[3]) != &PyUnicode_Type) {
        PyErr_SetString(PyExc_TypeError, "expected cls, lanes, current, boot and five more");
        return NULL;
    }
    PyObject *delivery = args[5], *type = args[6], *facts = args[8];
    if (Py_TYPE(delivery) != &PyDict_Type || Py_TYPE(facts) != &PyDict_Type ||
        Py_TYPE(type) != &PyUnicode_Type)
        Py_RETURN_NONE;
    PyObject *exchange = PyDict_GetItemWithError(delivery, name_exchange);
    PyObject *key = PyDict_GetItemWithError(delivery, name_routing_key);
    PyObject *again = PyDict_GetItemWithError(delivery, name_redelivered);
    PyObject *properties = PyDict_GetItemWithError(facts, name_properties);
    if (exchange == NULL || Py_TYPE(exchange) != &PyUnicode_Type || key == NULL ||
        Py_TYPE(key) != &PyUnicode_Type || properties == NULL ||
        Py_TYPE(properties) != &PyDict_Type ||
        (again != Py_False && again != Py_True && again != Py_None))
        goto odd;
    Py_INCREF(exchange); /* What is made may set off a garbage collection, which may run anything. */
    Py_INCREF(key);
    PyObject *four = Py_BuildValue("(NNNO)", PyLong_FromVoidPtr(args[4]), exchange, key, type);
    if (four == NULL)
        return NULL;
    PyObject *lane = PyDict_GetItemWithError(args[1], four); /* borrowed */
    if (!is_a(lane, Lane_Type)) {
        Py_DECREF(four);
        goto odd;
    }
    Py_INCREF(lane);
    Py_DECREF(four);
    PyObject *sent =
        read_stamp(PyDict_GetItemWithError(properties, name_message_id), args[3]);
    if (sent == NULL) {
        Py_DECREF(lane);
        goto odd;
    }
    newfunc make = (newfunc)PyType_GetSlot((PyTypeObject *)args[0], Py_tp_new);
    Attempt *self = (Attempt *)make((PyTypeObject *)args[0], no_arguments, NULL);
    if (self == NULL)
        goto failed;
    PyObject *queue = ((Lane *)lane)->queue;
    if (sent != Py_None && queue != Py_None && queue != NULL && PyList_Size(args[2]) > 0) {
        PyObject *received = PyObject_GetAttr(PyList_GetItem(args[2], 0), name_received);
        int done = received == NULL || !PyDict_Check(received) ? -1 :
            PyDict_SetItem(received, queue, PyTuple_GetItem(sent, 0));
        Py_XDECREF(received);
        if (done < 0) {
            Py_DECREF(self);
            goto failed;
        }
    }
    put(&self->lane, lane);
    put(&self->sent, again == Py_True ? Py_None : sent);
    put(&self->eta, args[7]);
    put(&self->status, failed_status);
    Py_DECREF(lane);
    Py_DECREF(sent);
    return (PyObject *)self;
failed:
    Py_DECREF(lane);
    Py_DECREF(sent);
    if (!PyErr_Occurred())
        Py_RETURN_NONE;
    return NULL;
odd:
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* One more, or less, of the number that the list holds; the list's own items are plain ints. */
static int
counted_up(PyObject *list, long by)
{
    PyObject *before = PyList_GetItem(list, 0); /* borrowed */
    long value = before == NULL ? -1 : PyLong_AsLong(before);

    if (before == NULL || PyErr_Occurred())
        return -1;
    PyObject *after = PyLong_FromLong(value + by);
    return after == NULL ? -1 : PyList_SetItem(list, 0, after);
}

PyDoc_STRVAR(attempt_begun_doc,
    "attempt_begun(attempt, accepted, boot, running): the attempt was taken up; False where that is not\n"
    "plain, and nothing is noted.");

static PyObject *
attempt_begun(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyList_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "expected attempt, accepted, boot, running");
        return NULL;
    }
    Attempt *self = (Attempt *)args[0];
    if (!is_a(args[0], Attempt_Type) || Py_TYPE(args[1]) != &PyFloat_Type || self->ended ||
        !is_a(self->lane, Lane_Type) || self->sent == NULL)
        Py_RETURN_FALSE;
    Lane *lane = (Lane *)self->lane;
    double accepted = PyFloat_AsDouble(args[1]), age = -1.0;
    Recorder *waited = NULL;
    if (self->sent != Py_None) {
        waited = (Recorder *)lane->waited;
        if (self->eta != Py_None || waited == NULL || Py_TYPE(waited) != Recorder_Type ||
            waited->mem != lane->mem || PyTuple_Size(self->sent) != 3 ||
            PyTuple_GetItem(self->sent, 1) != args[2]) {
            PyErr_Clear();
            Py_RETURN_FALSE;
        }
        age = now() - PyFloat_AsDouble(PyTuple_GetItem(self->sent, 2));
        if (PyErr_Occurred())
            return NULL;
        age = age > 0.0 ? age : 0.0;
    }
    if (lane->mem == NULL || Py_TYPE(lane->mem) != &PyList_Type)
        Py_RETURN_FALSE;
    double *cells = cells_of(lane->mem, &count);
    if (cells == NULL || !among(lane->active, count) || !among(lane->busy, count) ||
        (waited != NULL && !recordable(waited, count)))
        Py_RETURN_FALSE;
    cells[lane->active] += 1.0;
    cells[lane->busy] += 1.0;
    if (waited != NULL)
        record_value(waited, cells, age);
    self->began = accepted;
    if (counted_up(args[3], 1) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(decided_doc,
    "decided(attempt, status, seconds, running, last, due, pulse): an attempt that had begun has\n"
    "ended; False where that is not plain, and nothing is noted.");

static PyObject *
decided(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || !PyList_Check(args[3]) || !PyList_Check(args[4]) || !PyList_Check(args[5])) {
        PyErr_SetString(PyExc_TypeError, "expected attempt, status, seconds and four more");
        return NULL;
    }
    Attempt *self = (Attempt *)args[0];
    if (!is_a(args[0], Attempt_Type) || Py_TYPE(args[1]) != &PyUnicode_Type ||
        Py_TYPE(args[2]) != &PyFloat_Type || self->ended || self->began == 0.0 ||
        !is_a(self->lane, Lane_Type))
        Py_RETURN_FALSE;
    PyObject *ends = ((Lane *)self->lane)->ends;
    PyObject *found = ends == NULL || Py_TYPE(ends) != &PyDict_Type ? NULL :
        PyDict_GetItemWithError(ends, args[1]); /* borrowed */
    if (found == NULL || Py_TYPE(found) != Recorder_Type) {
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    Recorder *end = (Recorder *)found;
    double moment = now(), seconds = PyFloat_AsDouble(args[2]);
    PyObject *when = PyFloat_FromDouble(moment);
    if (when == NULL)
        return NULL;
    double *cells = cells_of(end->mem, &count);
    if (cells == NULL || !recordable(end, count)) {
        Py_DECREF(when);
        Py_RETURN_FALSE;
    }
    record_value(end, cells, seconds);
    self->ended = 1;
    Py_INCREF(when);
    int done = PyList_SetItem(args[4], 0, when); /* takes one, whatever happens */
    if (done == 0)
        done = counted_up(args[3], -1);
    PyObject *due = done < 0 ? NULL : PyList_GetItem(args[5], 0);
    double limit = due == NULL ? 0.0 : PyFloat_AsDouble(due);
    if (due == NULL || PyErr_Occurred()) {
        Py_DECREF(when);
        return NULL;
    }
    if (moment > limit) {
        PyObject *pulsed = PyObject_CallFunctionObjArgs(args[6], when, NULL);
        Py_DECREF(when);
        if (pulsed == NULL)
            return NULL;
        Py_DECREF(pulsed);
        Py_RETURN_TRUE;
    }
    Py_DECREF(when);
    Py_RETURN_TRUE;
}

static PyMethodDef functions[] = {
    {"stamp", stamp, METH_O, stamp_doc},
    {"attempted", (PyCFunction)(void (*)(void))attempted, METH_FASTCALL, attempted_doc},
    {"attempt_begun", (PyCFunction)(void (*)(void))attempt_begun, METH_FASTCALL,
     attempt_begun_doc},
    {"decided", (PyCFunction)(void (*)(void))decided, METH_FASTCALL, decided_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {
    {&failed_status, "failed"},
    {&name_exchange, "exchange"},
    {&name_routing_key, "routing_key"},
    {&name_redelivered, "redelivered"},
    {&name_properties, "properties"},
    {&name_message_id, "message_id"},
    {&name_received, "received"},
};

int
add_attempts(PyObject *module)
{
    no_arguments = PyTuple_New(0);
    if (no_arguments == NULL || INTERN(texts) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    Lane_Type = made(module, "Lane", &lane_spec);
    Attempt_Type = made(module, "Attempt", &attempt_spec);
    return Lane_Type == NULL || Attempt_Type == NULL ? -1 : 0;
}
