"""Answers of AWS that are streams, of bytes or of events: when they end, and what broke them.

A stream carries `_self_monagent`, the call to be counted at its end; a name that begins so is kept
by aiobotocore's old bodies, which are wrapt's proxies, and not handed on to what they stand for.
A read takes it away and puts it back, so that of a body's layers the outer one judges: one that
compares a checksum may raise after the one below it has come to its end.
"""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions.cloud import Streamed
from monagent.integrations._aws import code, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions.cloud import Operation

_CLIENTS = frozenset(("urllib3", "aiohttp", "httpx"))


class Events:
    """Stands in for a stream's own generator of events that are not parsed, sync or async."""

    __slots__ = ("_events", "_library", "_streamed")

    def __init__(self, library: str, events: Any, streamed: Streamed) -> None:
        self._library = library
        self._events = events
        self._streamed = streamed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            event = next(self._events)
        except BaseException as error:
            end(self._library, self._streamed, None if type(error) is StopIteration else error)
            raise
        self._streamed.last = perf_counter()
        return event

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            event = await self._events.__anext__()
        except BaseException as error:
            over = type(error) is StopAsyncIteration
            end(self._library, self._streamed, None if over else error)
            raise
        self._streamed.last = perf_counter()
        return event


def follow(library: str, called: Operation, begun: float, answer: Any, bodies: Any) -> None:
    """A call has its answer; it ends with the stream in it, at once if there is nothing to come."""
    streamed = Streamed(called, begun, None)
    stream = answer.get(called.stream)
    kind = type(stream)  # a proxy's `__class__` is another's
    events = getattr(stream, "_event_generator", None) if hasattr(kind, "_parse_event") else None
    left = None if events is not None else expected(answer)
    if events is not None:
        stream._event_generator = Events(library, events, streamed)
    elif left == 0 or not issubclass(kind, bodies):
        streamed.end()
        return
    elif not hasattr(kind, "_validate_checksum"):  # a read that finds nothing more may still raise
        streamed.left = left
    stream._self_monagent = streamed


def expected(answer: Any) -> int | None:
    """Bytes of an answer's body by its headers, None where they do not tell."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    length = str(headers.get("content-length", ""))
    return int(length) if length.isdecimal() else None


def taken(library: str, stream: Any) -> Streamed | None:
    """The call that ends with this stream, no more on it from now on."""
    try:
        found = getattr(stream, "_self_monagent", None)
        if type(found) is Streamed:  # not what a mock has for it
            stream._self_monagent = None
            return found
    except BaseException as error:
        failed(library, error)
    return None


def end(library: str, streamed: Streamed | None, error: BaseException | None = None) -> None:
    """The stream has come to its end, was closed, or was broken by `error`."""
    try:
        if streamed is not None:
            streamed.end(error, None if error is None else code(error))
    except BaseException as ours:
        failed(library, ours)


def leave(library: str, stream: Any, raised: Any) -> None:
    """A context manager is left, maybe with what broke the stream, not with the application's."""
    streamed = taken(library, stream)
    if streamed is None:
        return
    try:
        package = type(raised[1]).__module__.partition(".")[0]
        streamed.end(raised[1] if package in _CLIENTS else None)
    except BaseException as error:
        failed(library, error)


class Reading:
    """While a body is read, its call is no more on it; then it has ended, or is put back."""

    __slots__ = ("_library", "_stream", "_streamed")

    def __init__(self, library: str, stream: Any) -> None:
        self._library = library
        self._stream = stream
        self._streamed = taken(library, stream)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if error is not None:
            end(self._library, self._streamed, error)

    def got(self, given: Any, wanted: Any) -> None:
        """So much was read, in bytes or as their number; None: all that there was was wanted."""
        streamed = self._streamed
        if streamed is None:
            return
        try:
            count, asked = size_of(given) or 0, size_of(wanted)
            left = streamed.left
            if left is not None:
                left = streamed.left = left - count
            whole = asked is None or asked < 0 or (asked and not count)
            if whole or (left is not None and left <= 0):
                streamed.end()
            else:
                streamed.last = perf_counter()
                self._stream._self_monagent = streamed
        except BaseException as error:
            failed(self._library, error)


def size_of(data: Any) -> int | None:
    """Bytes, of a buffer or as they are told."""
    return data if data is None or isinstance(data, int) else len(data)


def reading(library: str, original: Any) -> Any:
    """Wrapper of a body's `read`."""

    def read(self: Any, amt: Any = None) -> Any:
        with Reading(library, self) as reading:
            data = original(self, amt)
        reading.got(data, amt)
        return data

    return read


def reading_async(library: str, original: Any) -> Any:
    """The same of an async one."""

    async def read(self: Any, amt: Any = None) -> Any:
        with Reading(library, self) as reading:
            data = await original(self, amt)
        reading.got(data, amt)
        return data

    return read


def filling(library: str, original: Any) -> Any:
    """Wrapper of a body's `readinto`."""

    def readinto(self: Any, b: Any) -> Any:
        with Reading(library, self) as reading:
            count = original(self, b)
        reading.got(count, b)
        return count

    return readinto


def filling_async(library: str, original: Any) -> Any:
    """The same of an async one."""

    async def readinto(self: Any, b: Any) -> Any:
        with Reading(library, self) as reading:
            count = await original(self, b)
        reading.got(count, b)
        return count

    return readinto


def listing(library: str, original: Any) -> Any:
    """Wrapper of `readlines`, which reads what the body stands on."""

    def readlines(self: Any) -> Any:
        with Reading(library, self) as reading:
            lines = original(self)
        reading.got(0, None)
        return lines

    return readlines


def closing(library: str, original: Any) -> Any:
    """Wrapper of `close`."""

    def close(self: Any) -> Any:
        end(library, taken(library, self))
        return original(self)

    return close


def closing_async(library: str, original: Any) -> Any:
    """The same of an async one."""

    async def close(self: Any) -> Any:
        end(library, taken(library, self))
        return await original(self)

    return close


def leaving(library: str, original: Any) -> Any:
    """Wrapper of `__exit__`, which may have given the application what the body stands on."""

    def __exit__(self: Any, *raised: Any) -> Any:
        leave(library, self, raised)
        return original(self, *raised)

    return __exit__


def leaving_async(library: str, original: Any) -> Any:
    """The same of `__aexit__`."""

    async def __aexit__(self: Any, *raised: Any) -> Any:
        leave(library, self, raised)
        return await original(self, *raised)

    return __aexit__


def parsing(library: str, original: Any) -> Any:
    """Wrapper of an event stream's `_parse_event`, which raises what the server has sent as one."""

    def _parse_event(self: Any, event: Any) -> Any:
        try:
            return original(self, event)
        except BaseException as error:
            end(library, taken(library, self), error)
            raise

    return _parse_event


def parsing_async(library: str, original: Any) -> Any:
    """The same of an async one."""

    async def _parse_event(self: Any, event: Any) -> Any:
        try:
            return await original(self, event)
        except BaseException as error:
            end(library, taken(library, self), error)
            raise

    return _parse_event
