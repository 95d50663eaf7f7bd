"""The plain path of a request through a server, in C where that was built (src/native/_native.c).

Most requests are plain: an answer of a status, headers and some bytes. What they take is written
once more in C, of which each function says by None that something is not plain, and has then noted
nothing: it goes the way that is written in Python, which all requests go where there is no C.
"""

from __future__ import annotations

import sys

from monagent import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_EDGES = 64
"""Of a histogram that is added to in C."""


INTERFACE = 1
"""Of the part in C, as it says itself: another one's was left by another tree."""


def _native() -> Any:
    """The part in C; None where it was not built, is for another interpreter, or is not wanted."""
    if not settings.current().native or "t" in sys.abiflags:  # free-threaded: other objects
        return None
    try:
        from monagent import _native
    except ImportError:
        return None
    return _native if _native.INTERFACE == INTERFACE and _native.is_first() else None


native = _native()


class _Fields:
    """What is known of a request; see `_exchange.Exchange`."""

    __slots__ = (
        "active", "arrival", "body", "end", "first", "head", "plain", "prefix", "receive",
        "received", "recorded", "route", "script", "send", "sent", "stage", "start",
        "start_response", "status", "write",
    )  # fmt: skip


if TYPE_CHECKING:
    Fields = _Fields
else:
    Fields = native.Exchange if native else _Fields

# Arguments and results are told by the functions themselves.
arrived_asgi: Any = getattr(native, "arrived_asgi", None)
arrived_wsgi: Any = getattr(native, "arrived_wsgi", None)
counted: Any = getattr(native, "counted", None)
ended: Any = getattr(native, "ended", None)
said: Any = getattr(native, "said", None)
Ender: Any = getattr(native, "Ender", None)
