/* Who calls: frames above, see monagent.integrations._http_client.called_by. */

#include "native.h"

static PyObject *name_back, *name_class;

#define WRAPPERS 4
#define DEEP 20

/* The id of the code that a frame runs. */
static PyObject *
code_id(PyObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)frame);
    PyObject *id = PyLong_FromVoidPtr(code);

    Py_XDECREF((PyObject *)code);
    return id;
}

/* Whether one of so many frames from `frame` on, which it takes over, runs a code whose id is among
   `codes`, or is `code`; -1 after an exception. */
static int
runs(PyObject *frame, PyObject *codes, PyObject *code, int deep)
{
    int found = 0;

    while (found == 0 && frame != NULL && frame != Py_None && deep-- > 0) {
        PyObject *id = code_id(frame);
        if (id == NULL)
            found = -1;
        else if (codes != NULL)
            found = PyDict_Contains(codes, id);
        else
            found = PyObject_RichCompareBool(id, code, Py_EQ);
        Py_XDECREF(id);
        if (found == 0) {
            PyObject *back = PyObject_GetAttr(frame, name_back);
            Py_DECREF(frame);
            if ((frame = back) == NULL)
                return -1;
        }
    }
    Py_XDECREF(frame);
    return found;
}

/* Headers of messages that calls under way carry, which say more cheaply than frames do that what has
   them is part of a call. Those beyond so many go without. */
#define CARRIED 64
static PyObject *carried[CARRIED];
static Py_ssize_t carried_now;

/* Where these headers are; -1 where they are not. The last call is the likeliest. */
static Py_ssize_t
carried_at(PyObject *headers)
{
    Py_ssize_t at = carried_now;

    while (--at >= 0 && carried[at] != headers)
        ;
    return at;
}

PyDoc_STRVAR(carry_doc, "carry(headers): a call begins that is counted, and whose message has these.");

static PyObject *
carry(PyObject *module, PyObject *headers)
{
    if (carried_now < CARRIED)
        carried[carried_now++] = Py_NewRef(headers);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(carry_no_more_doc, "carry_no_more(headers): that call is over.");

static PyObject *
carry_no_more(PyObject *module, PyObject *headers)
{
    Py_ssize_t at = carried_at(headers);

    if (at >= 0) {
        carried[at] = carried[--carried_now];
        Py_DECREF(headers);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(is_within_doc,
    "is_within(headers, asking, outer, inner, senders): see monagent.integrations._http_client.within,\n"
    "of the wrapper that calls this.");

static PyObject *
is_within(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyDict_Check(args[2]) || !PyDict_Check(args[3]) || !PyDict_Check(args[4])) {
        PyErr_SetString(PyExc_TypeError, "expected headers, asking, outer, inner, senders");
        return NULL;
    }
    if (carried_at(args[0]) >= 0)
        Py_RETURN_TRUE;
    PyObject *outer = args[2], *inner = args[3], *senders = args[4];
    PyObject *kind = PyObject_GetAttr(args[0], name_class);
    PyObject *library = kind == NULL ? NULL : PyDict_GetItemWithError(outer, kind);
    Py_XINCREF(library);
    Py_XDECREF(kind);
    if (library == NULL) {
        int asking = PyErr_Occurred() ? -1 : PyObject_IsTrue(args[1]);
        if (asking < 0)
            return NULL;
        if (!asking)
            Py_RETURN_FALSE;
    }
    PyObject *own = (PyObject *)PyEval_GetFrame(); /* borrowed */
    PyObject *frame = own == NULL ? NULL : PyObject_GetAttr(own, name_back);
    int found = -1;
    if (frame == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_RuntimeError, "expected a caller");
        goto done;
    }
    if (library == NULL) {
        Py_INCREF(frame);
        if ((found = runs(frame, inner, NULL, WRAPPERS)) <= 0)
            goto done;
        PyObject *id = code_id(frame); /* Another: a wrapper's frame. */
        library = id == NULL ? NULL : PyDict_GetItemWithError(inner, id);
        Py_XDECREF(id);
        Py_XINCREF(library);
        if (PyErr_Occurred()) {
            found = -1;
            goto done;
        }
    }
    PyObject *sender = library == NULL ? NULL : PyDict_GetItemWithError(senders, library);
    if (sender == NULL)
        found = PyErr_Occurred() ? -1 : 1;
    else {
        Py_INCREF(sender);
        Py_INCREF(frame);
        found = runs(frame, NULL, sender, DEEP);
        Py_DECREF(sender);
    }
done:
    Py_XDECREF(frame);
    Py_XDECREF(library);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

static PyMethodDef functions[] = {
    {"is_within", (PyCFunction)(void (*)(void))is_within, METH_FASTCALL, is_within_doc},
    {"carry", carry, METH_O, carry_doc},
    {"carry_no_more", carry_no_more, METH_O, carry_no_more_doc},
    {NULL, NULL, 0, NULL},
};

static const Text texts[] = {{&name_back, "f_back"}, {&name_class, "__class__"}};

int
add_callers(PyObject *module)
{
    return INTERN(texts) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
