/* The headers of a response that begins a stream of events. */

#ifndef MONAGENT_HEADERS_H
#define MONAGENT_HEADERS_H

#include "native.h"

#define CONTENT_TYPE "content-type"
#define EVENTS "text/event-stream"

static inline int
lower_equals(const char *text, const char *expected, Py_ssize_t length)
{
    for (Py_ssize_t i = 0; i < length; i++)
        if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) != expected[i])
            return 0;
    return 1;
}

#endif
