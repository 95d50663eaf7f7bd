/* What the rooms of the part in C share: https://docs.python.org/3/c-api/stable.html */

#ifndef MONAGENT_NATIVE_H
#define MONAGENT_NATIVE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030a0000
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "references.h"

/* Puts the names that each room makes into the module; -1 after an exception. */
int add_exchanges(PyObject *module);
int add_enders(PyObject *module);
int add_relays(PyObject *module);
int add_endings(PyObject *module);
int add_servings(PyObject *module);
int add_asgi(PyObject *module);
int add_wsgi(PyObject *module);
int add_timers(PyObject *module);
int add_pools(PyObject *module);
int add_statements(PyObject *module);
int add_calls(PyObject *module);
int add_bodies(PyObject *module);
int add_connections(PyObject *module);
int add_callers(PyObject *module);
int add_routes(PyObject *module);
int add_recorders(PyObject *module);
int add_attempts(PyObject *module);
int add_orphans(PyObject *module);

/* Seconds, as time.perf_counter of CPython on Linux. */
double now(void);

/* Seconds of Unix time, as time.time. */
double now_of_day(void);

/* Tells `failed` (guard's function, or one that calls it) of the exception that is set, and clears
   it; the program's own, which `failed` raises once more, is raised where the program goes on. */
void report(PyObject *failed);

/* Clears the exception that is set, of which nobody is to hear; the program's own, as `not_ours`
   says, which is guard's, is raised where the program goes on. */
void leave(void);
extern PyObject *not_ours;

/* Frees an object, after `clear` has let go of what it holds. */
void release(PyObject *self, inquiry clear);

/* A new class, put into the module by its name. */
PyTypeObject *made(PyObject *module, const char *name, PyType_Spec *spec);

/* A text of Python's that a room needs, and where it keeps it. */
typedef struct {
    PyObject **object;
    const char *text;
} Text;

/* Makes `count` texts, interned as the constants of programs are. */
int intern(const Text *texts, size_t count);
#define INTERN(texts) intern(texts, sizeof texts / sizeof texts[0])

/* Has a field hold another object, or none. */
static inline void
put(PyObject **field, PyObject *value)
{
    PyObject *before = *field;

    Py_XINCREF(value);
    *field = value;
    Py_XDECREF(before);
}

static inline int
equals(PyObject *text, PyObject *expected)
{
    if (text == expected) /* Constants of programs are interned, as ours are. */
        return 1;
    return text != NULL && PyUnicode_Check(text) && PyUnicode_Compare(text, expected) == 0;
}

#endif
