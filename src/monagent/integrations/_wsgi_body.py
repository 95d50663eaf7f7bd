"""The response's iterable of a WSGI application, counted on its way to the server."""

from __future__ import annotations

import os
from time import perf_counter

from monagent.conventions import http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from monagent.conventions._exchange import Exchange


def around(body: Any, exchange: Exchange, environ: dict[str, Any]) -> Any:
    """What the server gets in place of the application's iterable."""
    kind = type(body)
    if kind is list or kind is tuple:
        exchange.sent += sum(map(len, body))
        exchange.first = exchange.first or perf_counter()
        counted: _InMemory = CountedList(body) if kind is list else CountedTuple(body)
        counted._exchange = exchange
        return counted
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(body, wrapper):
        return _file(body, exchange)
    made = (CountedSized if hasattr(body, "__len__") else Counted)()
    made._body = body
    made._exchange = exchange
    made._next = None
    return made


def ended(exchange: Exchange, whole: bool) -> None:
    """The server is through with the body; not `whole`: it stopped, since the client was gone."""
    if exchange.end:
        return
    if not whole:
        exchange.gone = True
    exchange.sent_all()
    if not exchange.recorded:
        exchange.over(None)


def broke(exchange: Exchange, error: BaseException) -> None:
    """The application has raised while its body was read."""
    if not exchange.first:
        exchange.status = 500  # Nothing was sent, so the server still can.
    exchange.over(error)


class _InMemory:
    """Of a list or tuple: recorded when the server is through with it, however it reads it."""

    _exchange: Exchange | None = None

    def __iter__(self) -> Iterator[bytes]:
        exchange, whole = self._exchange, False
        try:
            for item in super().__iter__():  # type: ignore[misc]  # list's or tuple's
                if exchange and not exchange.plain and exchange.stream:
                    try:
                        exchange.stream.sent(item)
                    except BaseException as error:
                        http.failed(error)
                yield item
            whole = True
        finally:
            self._end(whole)

    def close(self) -> None:
        """Servers call it at the end; those that join a list do not, the last reference will."""
        self._end(True)

    def _end(self, whole: bool) -> None:
        exchange, self._exchange = self._exchange, None
        try:
            if exchange is not None:
                ended(exchange, whole)
        except BaseException as error:
            http.failed(error)

    __del__ = close


class CountedList(_InMemory, list):  # type: ignore[type-arg]
    """A list of chunks."""


class CountedTuple(_InMemory, tuple):  # type: ignore[type-arg]
    """A tuple of chunks."""


class Counted:
    """Any other iterable; what else it has is the application's."""

    __slots__ = ("_body", "_exchange", "_next")
    _body: Any
    _exchange: Exchange
    _next: Callable[[], bytes] | None

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        try:
            for item in self._body:
                try:
                    if item:
                        if not exchange.first:
                            exchange.first = perf_counter()
                        exchange.sent += len(item)
                        if not exchange.plain and exchange.stream is not None:
                            exchange.stream.sent(item)
                except BaseException as error:
                    http.failed(error)
                yield item
        except GeneratorExit:  # The server has stopped and will call `close`.
            raise
        except BaseException as error:
            try:
                broke(exchange, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            if not exchange.end:
                ended(exchange, True)
        except BaseException as error:
            http.failed(error)

    def __next__(self) -> bytes:
        if self._next is None:
            self._next = iter(self).__next__
        return self._next()

    def close(self) -> None:
        """Close the application's iterable, if it can be closed."""
        exchange = self._exchange
        try:
            if not exchange.end:
                # A server that has not read at all has no body to send: HEAD, 304.
                ended(exchange, not exchange.first)
        except BaseException as error:
            http.failed(error)
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class CountedSized(Counted):
    """One with a length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)


class CountedInput:
    """A request body without a declared length, counted as it is read."""

    def __init__(self, body: Any, exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange

    def read(self, *size: Any) -> bytes:
        """As of files."""
        return self._got(self._body.read(*size))

    def readline(self, *size: Any) -> bytes:
        """As of files."""
        return self._got(self._body.readline(*size))

    def readlines(self, *hint: Any) -> list[bytes]:
        """As of files."""
        lines: list[bytes] = self._body.readlines(*hint)
        self._got(b"".join(lines))
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._got, self._body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def _got(self, data: bytes) -> bytes:
        self._exchange.received += len(data)
        return data


def _file(body: Any, exchange: Exchange) -> Any:
    """The file wrapper itself; servers call its `close` at the end, so that is where we stand."""
    exchange.sent += _rest_of(body)
    exchange.first = perf_counter()
    close = getattr(body, "close", None)

    def closing() -> None:
        try:
            ended(exchange, True)
        except BaseException as error:
            http.failed(error)
        if close is not None:
            close()

    try:
        body.close = closing
    except (AttributeError, TypeError):  # uWSGI's is of C
        ended(exchange, True)
    return body


def _rest_of(body: Any) -> int:
    """Bytes from a file's position to its end; 0 when it is none of the file system."""
    file: Any = getattr(body, "filelike", None) or getattr(body, "file", None)
    try:
        size: int = os.fstat(file.fileno()).st_size
        return max(0, size - int(file.tell()))
    except (AttributeError, OSError, ValueError):
        return 0
