"""The plain path of an outgoing call, in C where that was built.

Each function begins or ends a call that is plain; it says by None or False that one is not, and has
then noted nothing: `http_client` and the integrations take it.
"""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.metrics.fused import Finish
    from monagent.metrics.recorders import Recorder


class _Fields(dict[int, "Finish"]):
    """What is known of calls of one method to one peer; see `http_client.Calls`."""

    __slots__ = ("active", "at", "look", "mem", "method", "peer")

    active: Recorder
    mem: Any
    at: int
    look: float


if TYPE_CHECKING:
    Fields = _Fields
else:
    Fields = part.Calls if part else _Fields


class _Following:
    """A call whose answer was handed over with its body to come; see `_aiohttp_body.Awaited`."""

    __slots__ = ("calls", "content", "seconds", "status")

    calls: Any
    content: Any
    seconds: float
    status: int


if TYPE_CHECKING:
    Following = _Following
else:
    Following = part.Following if part else _Following


def by_url(all: Any, _: Any, url: Any, method: Any) -> Any:
    """One more of the calls of this method to the server of an absolute URL; C knows the latest."""
    end = url.find("/", 8)  # 8: behind https://
    calls = all.get((url if end < 0 else url[:end], method))
    if calls is not None:
        calls.mem[0][calls.at] += 1.0
    return calls


def by_httpx(all: Any, _: Any, request: Any) -> Any:
    """One more of the calls that a request of httpx is one of."""
    try:
        parts = request.url._uri_reference  # Its public properties cost 1 µs.
        calls = all.get((parts.scheme, parts.host, parts.port, request.method))
    except AttributeError:
        return None
    if calls is not None:
        calls.mem[0][calls.at] += 1.0
    return calls


def ended(calls: Any, begun: float, status: Any, sent: int, received: int) -> bool:
    """The answer is there, and so many bytes of both bodies."""
    now = perf_counter()
    if status.__class__ is not int or status >= 400 or now > calls.look:
        return False
    calls[status](now - begun, sent, received)
    return True


def followed(*_: Any) -> bool:
    """Of (cls, calls, begun, status, content): the answer is there without its body, and an
    instance of `cls`, a `Following`, hears of the end of that from `content`, which is aiohttp's.
    Only C has a plain path for it."""
    return False


def ended_by_urllib3(calls: Any, begun: float, status: Any, raw: Any, body: Any) -> bool:
    """The same of a call whose body is bytes, if it has one, and whose answer, of urllib3, was read
    whole."""
    received = getattr(raw, "_fp_bytes_read", None)
    if body is not None and type(body) is not bytes:
        return False
    if received.__class__ is not int or getattr(raw, "chunked", None) is not False:
        return False
    return ended(calls, begun, status, len(body or b""), received)


def ended_by_httpx(calls: Any, begun: float, request: Any, response: Any) -> bool:
    """The same of a call whose bodies were both in one piece, and that was sent once."""
    content = getattr(request, "_content", None)
    if content.__class__ is not bytes or response.history:
        return False
    received = response._num_bytes_downloaded
    return ended(calls, begun, response.status_code, len(content), received)


if part:
    by_url = part.begun_by_url
    by_httpx = part.begun_by_httpx
    ended = part.call_ended
    followed = part.call_followed
    ended_by_urllib3 = part.call_ended_by_urllib3
    ended_by_httpx = part.call_ended_by_httpx
