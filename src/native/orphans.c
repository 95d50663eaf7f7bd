/* A process that is nobody's child: https://man7.org/linux/man-pages/man2/clone.2.html

   Between it and the program is another one for a moment.  The end of that one sends no signal, so
   it is none of the children that wait() and waitpid(-1) ask for, only of those of __WCLONE.

   Both run in the memory of the program, as those of posix_spawn do, while the thread that starts
   them waits: they touch nothing but what was laid out for them, no signal's handler runs in them,
   and of libc they call what asks the kernel and keeps nothing.  Where that is not to be had
   (another system, a filter of system calls, an emulator) the caller goes another way. */

#include "native.h"

#ifdef __linux__

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define STACK (64 * 1024)

/* Sanitizers know no stack but those of threads. */
#define ON_A_STACK_OF_ITS_OWN __attribute__((no_sanitize_address, noinline))

typedef struct {
    char **argv, **environ; /* each ends with NULL */
    int *closed;
    Py_ssize_t closes;
    char *stacks; /* of the one between, and of the orphan */
    volatile int reached, begun;
} Orphan;

/* Handlers are the program's and mean nothing in it; what is ignored stays so, as over an exec. */
ON_A_STACK_OF_ITS_OWN static void
forget_signals(void)
{
    struct sigaction action;
    sigset_t none;

    for (int number = 1; number < NSIG; number++) {
        if (sigaction(number, NULL, &action) < 0 || action.sa_handler == SIG_DFL ||
            action.sa_handler == SIG_IGN)
            continue;
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
        sigaction(number, &action, NULL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By system calls: musl's close() ends what the program reads and writes by aio. */
ON_A_STACK_OF_ITS_OWN static int
hold_nothing(const Orphan *self)
{
    for (Py_ssize_t i = 0; i < self->closes; i++)
        syscall(SYS_close, self->closed[i]);
    int null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    if (null < 0)
        return -1;
    for (int standard = 0; standard < 3; standard++)
        if (dup2(null, standard) < 0)
            return -1;
    if (null > 2)
        syscall(SYS_close, null);
    return 0;
}

ON_A_STACK_OF_ITS_OWN static int
be_orphan(void *of)
{
    Orphan *self = of;

    self->reached = 1;
    if (hold_nothing(self) == 0) {
        forget_signals();
        self->begun = 1;
        execve(self->argv[0], self->argv, self->environ);
        self->begun = 0;
    }
    _exit(127);
}

ON_A_STACK_OF_ITS_OWN static int
be_between(void *of)
{
    Orphan *self = of;

    setsid();
    int child = clone(be_orphan, self->stacks + 2 * STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, self);
    /* Nobody is to inherit what has ended.  One that has not reached our memory has a copy, as
       valgrind makes of it, and may well live on. */
    if (child > 0 && self->reached && !self->begun)
        syscall(SYS_wait4, child, NULL, __WALL, NULL);
    _exit(0);
}

/* Before 2.25 clone() of glibc writes into what it knows of the thread that calls it. */
static int
clone_is_whole(void)
{
#ifdef __GLIBC__
    int major = 0, minor = 0;

    if (sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) != 2)
        return 0;
    return major > 2 || (major == 2 && minor >= 25);
#else
    return 1;
#endif
}

static int
begin(Orphan *self)
{
    sigset_t all, before;

    self->stacks = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (self->stacks == MAP_FAILED)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int between = clone(be_between, self->stacks + STACK, CLONE_VM | CLONE_VFORK, self);
    if (between > 0)
        syscall(SYS_wait4, between, NULL, __WCLONE, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(self->stacks, 2 * STACK);
    return self->begun;
}

/* The texts of a tuple of bytes, which keeps them; NULL after an exception. */
static char **
texts_of(PyObject *given)
{
    Py_ssize_t count = PyTuple_Size(given);
    char **texts = PyMem_Calloc((size_t)count + 1, sizeof *texts);

    if (texts == NULL)
        return (char **)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(given, i), &texts[i], NULL) < 0) {
            PyMem_Free(texts);
            return NULL;
        }
    return texts;
}

static int *
numbers_of(PyObject *given)
{
    Py_ssize_t count = PyTuple_Size(given);
    int *numbers = PyMem_Calloc((size_t)count + 1, sizeof *numbers);

    if (numbers == NULL)
        return (int *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        numbers[i] = (int)PyLong_AsLong(PyTuple_GetItem(given, i));
        if (PyErr_Occurred()) {
            PyMem_Free(numbers);
            return NULL;
        }
    }
    return numbers;
}

PyDoc_STRVAR(orphaned_doc,
    "orphaned(argv, environ, closed): whether it has started a process without the descriptors\n"
    "`closed`, in a session of its own, with /dev/null for streams, that is nobody's child.");

static PyObject *
orphaned(PyObject *module, PyObject *args)
{
    PyObject *argv, *environ, *closed;
    Orphan self = {0};
    int begun = 0;

    if (!PyArg_ParseTuple(args, "O!O!O!", &PyTuple_Type, &argv, &PyTuple_Type, &environ,
                          &PyTuple_Type, &closed))
        return NULL;
    if (PyTuple_Size(argv) == 0 || !clone_is_whole())
        Py_RETURN_FALSE;
    self.closes = PyTuple_Size(closed);
    if ((self.argv = texts_of(argv)) != NULL && (self.environ = texts_of(environ)) != NULL &&
        (self.closed = numbers_of(closed)) != NULL)
        begun = begin(&self);
    PyMem_Free(self.argv);
    PyMem_Free(self.environ);
    PyMem_Free(self.closed);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(begun);
}

#else

PyDoc_STRVAR(orphaned_doc, "orphaned(argv, environ, closed): false.");

static PyObject *
orphaned(PyObject *module, PyObject *args)
{
    Py_RETURN_FALSE;
}

#endif

static PyMethodDef functions[] = {
    {"orphaned", orphaned, METH_VARARGS, orphaned_doc},
    {NULL, NULL, 0, NULL},
};

int
add_orphans(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
