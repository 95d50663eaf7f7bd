/* Counting references, the same in every Python whatever the headers are that this is built with.

   Since 3.12 some objects are immortal (PEP 683): the lower half of their count has its sign set, as
   that of no other object ever has.  Headers know as much of it as the Python they come with.  Those
   before 3.12 count references to None that a later Python does not take away, and after a milliard
   it is immortal no longer; those of 3.12 and of 3.13 return None uncounted, which 3.10 and 3.11 die
   of (https://github.com/python/cpython/issues/134989).  So nothing here counts by them. */

#ifndef MONAGENT_REFERENCES_H
#define MONAGENT_REFERENCES_H

#include <Python.h>
#include <stdint.h>

/* Its count is the first field of an object; a later Python has other things in the upper half. */
#define COUNT(object) (*(Py_ssize_t *)(object))

static inline PyObject *
one_more_reference(PyObject *object)
{
#if SIZEOF_VOID_P > 4
    if ((int32_t)COUNT(object) >= 0)
        COUNT(object)++;
#else
    Py_IncRef(object);
#endif
    return object;
}

static inline void
one_less_reference(PyObject *object)
{
#if SIZEOF_VOID_P > 4
    if ((int32_t)COUNT(object) >= 0 && (int32_t)--COUNT(object) == 0)
        _Py_Dealloc(object);
#else
    Py_DecRef(object);
#endif
}

static inline void
one_less_if_any(PyObject *object)
{
    if (object != NULL)
        one_less_reference(object);
}

static inline void
one_more_if_any(PyObject *object)
{
    if (object != NULL)
        one_more_reference(object);
}

/* Not Py_CLEAR and Py_VISIT, which stand on these. */
#undef Py_INCREF
#undef Py_DECREF
#undef Py_XINCREF
#undef Py_XDECREF
#undef Py_NewRef
#undef Py_RETURN_NONE
#undef Py_RETURN_TRUE
#undef Py_RETURN_FALSE
#define Py_INCREF(object) ((void)one_more_reference((PyObject *)(object)))
#define Py_DECREF(object) one_less_reference((PyObject *)(object))
#define Py_XINCREF(object) one_more_if_any((PyObject *)(object))
#define Py_XDECREF(object) one_less_if_any((PyObject *)(object))
#define Py_NewRef(object) one_more_reference((PyObject *)(object))
#define Py_RETURN_NONE return Py_NewRef(Py_None)
#define Py_RETURN_TRUE return Py_NewRef(Py_True)
#define Py_RETURN_FALSE return Py_NewRef(Py_False)

#endif
