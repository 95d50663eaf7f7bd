"""What integrations of HTTP clients have in common: failing safely, and facts about messages."""

from __future__ import annotations

import io
import sys

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions.http_client import Calls, number
from monagent.instrument.targets import undo
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from types import CodeType
    from typing import Any

INNER: dict[int, str] = {}
"""Functions that urllib3 is called by within a call that is counted already, and who counts it: by
the id of their code, whose hash would be computed each time, over all that it holds."""

_held: list[CodeType] = []
"""As long as an id stands for a code, the code must live."""

OUTER: dict[object, str] = {}
"""Classes of headers that only such a caller gives to urllib3; cheaper to look at than frames."""

SENDERS: dict[str, int] = {}
"""By library, the id of the code that must run above what carries its calls for the library to
count them: adapters of requests and transports of httpx can be asked by anybody."""


def inner(function: Any, library: str, sender: Any = None) -> None:
    """What this function calls is part of a call that the library counts; of `sender`'s if any."""
    _held.append(function.__code__)
    INNER[id(function.__code__)] = library
    if sender is not None:
        sends(sender, library)


def sends(function: Any, library: str) -> None:
    """The library counts the calls of what this function calls."""
    _held.append(function.__code__)
    SENDERS[library] = id(function.__code__)


def carries(frame: Any) -> bool:
    """Whether `frame` belongs to a transport of httpx that somebody has made of another client,
    as httpx-aiohttp and litellm do: its calls are httpx's."""
    for _ in range(_WRAPPERS):
        if frame is None:
            return False
        if frame.f_code.co_name == _TRANSPORT:
            break
        frame = frame.f_back
    else:
        return False
    # Of httpx's own, one that runs an application comes here: that makes calls of its own.
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package not in SENDERS and called_by(set(SENDERS.values()), frame, _DEEP)


def within(headers: Any, asking: Any, outer: Any, inner: Any, senders: Any) -> bool:
    """Whether urllib3, whose wrapper asks us, is part of a call that is counted, by these headers;
    without a sign in them frames are looked at if `asking`: making those costs more than all.

    The last three are `OUTER`, `INNER` and `SENDERS`. C looks first whether a call is said to carry
    these headers.
    """
    library = outer.get(headers.__class__)
    if library is None and not asking:
        return False
    frame: Any = sys._getframe(1).f_back  # None: a thread runs nothing else
    if library is None:
        if not called_by(inner, frame):
            return False
        library = inner.get(id(frame.f_code))  # None: a wrapper's frame
    sender = senders.get(library) if library else None
    return sender is None or called_by((sender,), frame, _DEEP)


def without(_: Any) -> None:
    """Of the headers of a call that begins or ends: only C has use for them."""


is_within = part.is_within if part else within
carry = part.carry if part else without
carry_no_more = part.carry_no_more if part else without


def failed(library: str, error: BaseException) -> None:
    """Something of ours broke while a call was measured; the call goes on."""
    guard.failed(library, error)
    if guard.off(library):
        undo(library)
        forget(library)


def forget(library: str) -> None:
    """What this library does is counted by it no longer, so the one beneath may."""
    for code in [code for code, counts in INNER.items() if counts == library]:
        del INNER[code]
    for kind in [kind for kind, counts in OUTER.items() if counts == library]:
        del OUTER[kind]
    SENDERS.pop(library, None)


def length(body: object) -> int:
    """Bytes of a body that is text, bytes, a buffer of them or nothing; -1 for any other."""
    if body is None:
        return 0
    if isinstance(body, str):
        return len(body) if body.isascii() else len(body.encode("utf-8", "replace"))
    if isinstance(body, (bytes, bytearray)):
        return len(body)
    if hasattr(body, "read"):  # A mapped file is both, and is read from where it is.
        return -1
    try:
        return memoryview(body).nbytes  # type: ignore[arg-type]  # that is the question
    except (TypeError, ValueError, BufferError):
        return -1


def declared(headers: Any) -> int:
    """Bytes that a message's headers say its body has; -1 when they do not."""
    found = headers.get("content-length")
    return int(found) if found is not None and str(found).isdecimal() else -1


def endless(body: object) -> bool:
    """Whether a body is an iterable of parts, whose sum nobody knows before it was sent."""
    if isinstance(body, str) or hasattr(body, "read") or not hasattr(body, "__iter__"):
        return False
    try:
        memoryview(body)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return True
    return False


class Reading:
    """A file that is a request's body, to tell how far it was read."""

    __slots__ = ("_begin", "_file")

    def __init__(self, file: Any, begin: int) -> None:
        self._file = file
        self._begin = begin

    @property
    def sent(self) -> int:
        """Bytes that were read; -1 when it no longer tells."""
        try:
            return max(-1, int(self._file.tell()) - self._begin)
        except (OSError, ValueError):
            return -1


def reading(body: Any, begin: Any = None) -> Reading | None:
    """How far a body is read from here, or from `begin`; None unless it is one of Python's own
    files of bytes, which tell where they are, and that is no pipe."""
    if body.__class__ not in _FILES:
        return None
    try:
        at: int = body.tell()
    except (OSError, ValueError):
        return None
    return Reading(body, begin if isinstance(begin, int) else at)


_FILES = frozenset((io.BytesIO, io.BufferedReader, io.BufferedRandom, io.FileIO))


def locals_of(codes: Container[CodeType], error: BaseException) -> dict[str, Any]:
    """The variables of the function with one of these codes that the error passed; or none.

    They tell what nobody else can say of a call that has raised: the answer whose body broke while
    the client read it, the redirects before.
    """
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return dict(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    return {}


def judged(
    library: str, calls: Calls, seconds: float, error: BaseException, request: Any, redirecting: Any
) -> bool:
    """Whether the call has an answer, for whose status a hook of the application has raised:
    under requests and niquests, whose step to a redirect runs one of the codes `redirecting`."""
    last = locals_of(redirecting, error).get("prepared_request", request)
    answer = refused_answer(library, error)
    # If it is another call's, the hook has made that.
    if answer is None or getattr(answer, "request", None) is not last:
        return False
    status = number(answer.status_code)
    if status >= 400:
        calls.heard(status, answer.headers, perf_counter())
        calls[status](seconds, -1, -1)
    return status >= 400


def refused_answer(library: str, error: BaseException) -> Any:
    """The answer that the error of a `raise_for_status` is about, or None."""
    kind = sys.modules[f"{library}.exceptions"].HTTPError
    return vars(error).get("response") if isinstance(error, kind) else None


def caller(codes: Container[object], frame: Any) -> Any:
    """The frame that runs a function with one of these codes, among those `frame` is called by."""
    for _ in range(_DEEP):
        if frame is None or frame.f_code in codes:
            return frame
        frame = frame.f_back
    return None


_TRANSPORT = "handle_async_request"
_DEEP = 20
_WRAPPERS = 4  # A tracer that wraps the same function puts a frame or two in between.


def called_by(codes: Container[int], frame: Any, deep: int = _WRAPPERS) -> bool:
    """Whether `frame` runs a function with one of these ids of codes, or is a wrapper that one
    calls."""
    for _ in range(deep):
        if frame is None:
            return False
        if id(frame.f_code) in codes:
            return True
        frame = frame.f_back
    return False


def first_asked(codes: Container[int], frame: Any, request: Any) -> str:
    """The URL that a session of requests was asked for, when it sends this one after a redirect:
    one of these ids of codes follows them, and keeps the answers before."""
    while id(frame.f_code) not in codes:
        frame = frame.f_back
    answers = frame.f_locals.get("hist")
    url = getattr(answers[0], "url", None) if answers else None
    return url if isinstance(url, str) else request.url
