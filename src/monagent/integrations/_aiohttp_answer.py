"""aiohttp.web's answers: how each is watched on its way out, by the writer that all of them pass.

Answers in one piece are counted when they have been sent; streams, files and upgrades are known by
their headers already. Sizes are those of the data, without headers and the framing of chunks.
"""

from __future__ import annotations

import os
import sys

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.conventions._exchange import Exchange
from monagent.conventions.realtime import Connection, EventStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Served(Exchange):
    """A request of aiohttp.web.

    Attributes:
        accounted: bytes of the writer's output that were looked at, headers and framing included.
        file: bytes that the kernel is sending from a file, past the writer.
        connection: the WebSocket connection that came of it.
    """

    accounted = file = 0
    connection: Connection | None = None


def preparing(original: Any) -> Any:
    """Wrapper of `StreamResponse.prepare`, which answers of all classes come to."""

    async def prepare(self: Any, request: Any) -> Any:
        writer = await original(self, request)
        try:
            # All there is to say of an answer in one piece is said when it has been sent.
            if self._body.__class__ is not bytes:
                served = getattr(writer, "_monagent", None)
                if served.__class__ is Served and not served.status:
                    started(served, self, request, writer)
        except BaseException as error:
            http.failed(error)
        return writer

    return prepare


def writing(original: Any) -> Any:
    """Wrapper of `StreamWriter.write`: the parts of a body, also of those that clients send."""

    async def write(self: Any, chunk: Any, **kwargs: Any) -> None:
        counted, size = None, 0
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None:
                size = chunk.nbytes if isinstance(chunk, memoryview) else len(chunk)
                if self.length is not None and self.length < size:
                    size = self.length  # aiohttp drops what is beyond
        except BaseException as error:
            http.failed(error)
        await original(self, chunk, **kwargs)
        try:
            if counted.__class__ is not Served:
                if counted is not None:  # a client's
                    counted.wrote(self, size)
            elif counted.plain and counted.first and self._compress is None:
                counted.sent += size
                counted.accounted = self.output_size
            else:
                wrote(counted, self, chunk, size)
        except BaseException as error:
            http.failed(error)

    return write


def ending(original: Any) -> Any:
    """Wrapper of `StreamResponse.write_eof`, the last byte of whatever is no WebSocket."""

    empty = sys.modules["aiohttp.streams"].EMPTY_PAYLOAD

    async def write_eof(self: Any, data: Any = b"") -> None:
        served = None
        try:
            request, writer = self._req, self._payload_writer
            served = getattr(writer, "_monagent", None)
        except BaseException as error:
            http.failed(error)
        await original(self, data)
        try:
            if served.__class__ is not Served or served.end:
                pass
            elif served.status:
                sent_stream(served, request, writer)
            else:  # in one piece
                served.status = self._status
                served.route = route_of(request)
                served.sent = len(data)
                if request._payload is not empty:
                    served.received = received(request)
                served.sent_all()
        except BaseException as error:
            http.failed(error)

    return write_eof


def sending_file(original: Any) -> Any:
    """Wrapper of `FileResponse._sendfile`."""

    async def _sendfile(self: Any, request: Any, fobj: Any, offset: int, count: int) -> Any:
        served = None
        try:
            served = getattr(request._payload_writer, "_monagent", None)
            if served.__class__ is Served:
                served.file = count
                served.first = perf_counter()
            else:
                served = None
        except BaseException as error:
            http.failed(error)
        try:
            return await original(self, request, fobj, offset, count)
        except BaseException:
            try:
                if served is not None and served.file:
                    served.file = 0
                    served.sent += max(0, os.lseek(fobj.fileno(), 0, os.SEEK_CUR) - offset)
            except BaseException as ours:
                http.failed(ours)
            raise

    return _sendfile


def route_of(request: Any) -> str:
    """The template of the resource that took the request, prefixes of sub-applications within."""
    try:
        route: str = request._match_info.route.resource.canonical
    except AttributeError:
        return of_other_methods(request)  # no resource took it, or the server has none
    return route


def of_other_methods(request: Any) -> str:
    """The template of a resource that takes the path by another method.

    The router says only which methods there are, so it is asked once more, which only a 405 pays
    for; it awaits nothing.
    """
    refused = getattr(getattr(request, "_match_info", None), "http_exception", None)
    methods = getattr(refused, "allowed_methods", None)
    if not methods:
        return http.UNMATCHED
    route: str = http.UNMATCHED
    try:
        asked = request.clone(method=min(methods))
        found = request._match_info.apps[0].router.resolve(asked)
        try:
            found.send(None)
        except StopIteration as over:
            route = over.value.route.resource.canonical
        finally:
            found.close()
    except Exception:  # The body has been read, or the application's own router is another.
        pass
    return route


def received(request: Any) -> int:
    """Bytes of the request's body, compressed where they are."""
    payload = request._payload
    size: int | None = getattr(payload, "total_bytes", 0)  # of none there was no count until 3.10
    if size and request._message.compression:
        size = getattr(payload, "total_raw_bytes", request.content_length)  # the former since 3.14
    return size or 0


def started(served: Served, response: Any, request: Any, writer: Any) -> None:
    """The headers of a stream, a file or an upgrade are on their way."""
    served.status = response._status
    served.route = route_of(request)
    # Those of an answer whose body is an iterable wait for its first part.
    served.accounted = passed(writer)
    if served.status == 101:
        served.disown()
        served.connection = response._monagent = Connection(served.route)
    elif response.headers.get("Content-Type", "").startswith("text/event-stream"):
        served.inactive()
        served.stream = EventStream(served.route, served.start)


def wrote(served: Served, writer: Any, chunk: Any, size: int) -> None:
    """A part of a body has been written, the first, or one of events, or compressed."""
    if writer._compress is not None:
        size = unframed(writer.output_size - served.accounted, writer.chunked)
    served.accounted = writer.output_size
    served.file = 0
    if size:
        served.wrote(size)
    if served.stream is not None:
        served.stream.sent(bytes(chunk))


def sent_stream(served: Served, request: Any, writer: Any) -> None:
    """The last byte is gone of an answer whose headers went ahead."""
    rest = writer.output_size - served.accounted
    rest = unframed(rest - 5, True) if writer.chunked else rest  # 5: the last chunk's, empty
    if rest + served.file > 0:
        served.wrote(rest + served.file)
    served.file = 0
    transport = request._protocol.transport
    if transport is None or transport.is_closing():
        served.gone = True
    served.received = received(request)
    served.sent_all()


def passed(writer: Any) -> int:
    """Bytes that a writer has sent, with the headers that it sends with the first part."""
    return int(writer.output_size) + len(getattr(writer, "_headers_buf", None) or b"")


def unframed(size: int, chunked: bool) -> int:
    """Bytes of data within the bytes of a chunk: its length in hex, two ends of line, the data."""
    if not chunked:
        return size
    for digits in range(1, 17):
        data = size - 4 - digits
        if data <= 0 or len(f"{data:x}") == digits:
            return max(0, data)
    return 0
