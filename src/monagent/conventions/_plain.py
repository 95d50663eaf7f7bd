"""The plain path of a request through a server, in C where that was built.

Most requests are plain: an answer of a status, headers and some bytes. What they take is written
once more in C, of which each function says by None that something is not plain, and has then noted
nothing: it goes the way that is written in Python, which all requests go where there is no C.
"""

from __future__ import annotations

from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Fields:
    """What is known of a request; see `_exchange.Exchange`."""

    __slots__ = (
        "active", "arrival", "body", "end", "first", "head", "plain", "prefix", "receive",
        "received", "recorded", "route", "send", "sent", "stage", "start", "start_response",
        "status", "write",
    )  # fmt: skip


class _Shared:
    """What requests of one method and scheme have in common; see `_arrivals.Arrival`."""

    __slots__ = ("add", "cell", "enders")


if TYPE_CHECKING:
    Fields = _Fields
    Shared = _Shared
else:
    Fields = part.Exchange if part else _Fields
    Shared = part.Arrival if part else _Shared

# Arguments and results are told by the functions themselves.
arrived_asgi: Any = getattr(part, "arrived_asgi", None)
arrived_wsgi: Any = getattr(part, "arrived_wsgi", None)
counted: Any = getattr(part, "counted", None)
ended: Any = getattr(part, "ended", None)
left: Any = getattr(part, "left", None)
served: Any = getattr(part, "served", None)
served_by: Any = getattr(part, "served_by", None)
served_with: Any = getattr(part, "served_with", None)
started_with: Any = getattr(part, "started_with", None)
asks: Any = getattr(part, "asks", None)
leavers: Any = getattr(part, "leavers", None)
coroutines_are: Any = getattr(part, "coroutines_are", None)
Sender: Any = getattr(part, "Sender", object)
"""Its instances are the application's `send` over ASGI."""
Starter: Any = getattr(part, "Starter", object)
"""Its instances are the application's `start_response` over WSGI."""
routed: Any = getattr(part, "routed", None)
taken: Any = getattr(part, "taken", None)
Ender: Any = getattr(part, "Ender", None)
