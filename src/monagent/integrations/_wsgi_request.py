"""A request over WSGI, between what the application says and what the server gets to hear."""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.conventions._exchange import Exchange
from monagent.conventions._plain import Starter
from monagent.conventions.http import error_type
from monagent.conventions.realtime import EventStream
from monagent.instrument.identity import step_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_codes: dict[str, int] = {}
_UNSAID: Any = object()

heads_first: list[str] = []
"""Servers in this process that send the head of an answer before they ask for its body."""

bodies_first: list[str] = []
"""Servers in this process that have the whole body before they send anything of an answer."""

BYTES = (bytes, bytearray, memoryview)
"""What servers send, if not bytes alone."""


class Request(Exchange, Starter):  # type: ignore[misc]  # that is in C, or nothing
    """A request over WSGI: stands between the application and the server's `start_response`."""

    __slots__ = ()
    body: Any
    start_response: Any
    write: Any

    # Names of parameters as in PEP 3333 and in servers: some applications say `exc_info=...`.
    def starting_response(self, status: str, headers: Any, exc_info: Any = _UNSAID) -> Any:
        """The application's `start_response`."""
        before: tuple[int, str | None] | None = None
        try:
            before = self.status, self.caught
            self.starting(status, headers, exc_info)
        except BaseException as error:
            try:
                ours = legible(status, headers)  # Else the server will tell the application.
            except BaseException:
                ours = True
            if ours:
                http.failed(error)
        try:
            if exc_info is _UNSAID:
                self.write = self.start_response(status, headers)
            else:
                self.write = self.start_response(status, headers, exc_info)
        except BaseException:
            try:
                if before is not None:
                    self.status, self.caught = before  # The server has refused it.
            except BaseException as ours:
                http.failed(ours)
            raise
        return self.writing

    def starting(self, status: str, headers: Any, exc_info: Any) -> None:
        """An answer begins."""
        try:
            code = _codes[status]
        except KeyError:
            code = code_of(status)
        if not self.first:  # Else the client has got one already.
            self.status = code
        # An iterator, which most servers take as well, has each header only once.
        if type(headers) is list or not hasattr(headers, "__next__"):
            for name, value in headers:
                if name.lower() == "content-type":
                    if value.startswith("text/event-stream"):
                        streams(self, headers)
                    break
        if exc_info is not _UNSAID and code >= 500:
            broken_by(self, exc_info)

    def writing(self, data: bytes) -> Any:
        """The application's `write`."""
        try:
            if isinstance(data, BYTES):
                self.wrote(len(data))
        except BaseException as error:
            http.failed(error)
        try:
            return self.write(data)
        except OSError:
            self.gone = True
            raise

    def items(self) -> Iterator[bytes]:
        """The items of `body`, counted."""
        try:
            for item in self.body:
                try:
                    self.passed(item)
                except BaseException as error:
                    http.failed(error)
                yield item
        except GeneratorExit:  # The server has stopped and will call `closing`.
            raise
        except BaseException as error:
            try:
                self.broke(error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            self.all_passed()
        except BaseException as error:
            http.failed(error)

    def passed(self, item: Any) -> None:
        """An item of the body goes to the server."""
        if type(item) is not bytes and not isinstance(item, BYTES):
            refused(self, bool(self.first))
        elif item:
            if not self.first:
                self.first = perf_counter()
            self.sent += len(item)
            if not self.plain and self.stream is not None:
                self.stream.sent(bytes(item))

    def all_passed(self) -> None:
        """The last item of the body has gone to the server."""
        if not self.end:
            self.sent_all()
            if not self.recorded:
                self.over(None)

    def broke(self, error: BaseException) -> None:
        """The body has raised."""
        broke(self, error, bool(heads_first and self.status))

    def closing(self) -> None:
        """What the server calls at the end."""
        body, self.body = self.body, None
        try:
            self.stopped()
            self.let_go()
        except BaseException as error:
            http.failed(error)
        close = getattr(body, "close", None)
        if close is not None:
            close()

    def stopped(self) -> None:
        """The server reads no further."""
        if not self.end:
            # One that has not read at all has no body to send: HEAD, 304.
            ended(self, not self.first)

    def let_go(self) -> None:
        """Of the server, which holds the environ that this lies in: no circle is to be left."""
        self.start_response = self.write = None


# Django warns whoever reads an asynchronous stream, Werkzeug's lint whoever closes a wrong length.
for _between in (Request.starting_response, Request.writing, Request.items, Request.closing):
    step_aside(_between)


def ended(request: Request, whole: bool) -> None:
    """The server is through with the body; not `whole`: it stopped, since the client was gone."""
    if request.end:
        return
    if not whole and request.status and request.failure() is None:
        request.gone = True  # Else the server has refused it.
    request.sent_all()
    if not request.recorded:
        request.over(None)


def broke(request: Request, error: BaseException, begun: bool = False) -> None:
    """The application has raised, `begun`: after the head of its answer was sent."""
    if bodies_first or not (request.first or begun):
        request.status, request.sent = 500, 0  # Nothing was sent, so the server still can.
    request.over(error)
    request.let_go()


def refused(request: Request, begun: bool) -> None:
    """No server sends what is no bytes: it answers 500, unless it has `begun` to answer."""
    if bodies_first or not begun:
        request.status = 500
    request.error = request.error or "TypeError"


def broken_by(request: Request, exc_info: Any) -> None:
    """The answer is about this exception, which the application has caught."""
    for error in exc_info[1:2] if exc_info else ():
        if isinstance(error, BaseException):
            request.caught = error_type(error)


def streams(request: Request, headers: Any) -> None:
    """The response is a stream of events."""
    if request.stream is None:  # Else it is said again, after an exception.
        encoding = [value for name, value in headers if name.lower() == "content-encoding"]
        request.inactive()
        request.stream = EventStream(
            request.route, request.start, encoding not in ([], ["identity"])
        )


def legible(status: object, headers: Any) -> bool:
    """Whether these are a status and headers, as far as we look at them."""
    if not isinstance(status, str) or not status[:3].isdecimal():
        return False
    try:
        return all(isinstance(each, str) for name, value in headers for each in (name, value))
    except (TypeError, ValueError):
        return False


def code_of(status: str) -> int:
    """200 of "200 OK"."""
    code = int(status[:3])
    if len(_codes) < 1000:
        _codes[status] = code
    return code
