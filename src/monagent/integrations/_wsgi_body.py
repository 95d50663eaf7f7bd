"""The response's iterable of a WSGI application, counted on its way to the server."""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.instrument.identity import step_aside
from monagent.integrations._wsgi_file import as_file, rest_of
from monagent.integrations._wsgi_request import BYTES, ended, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from monagent.integrations._wsgi_request import Request


unsized: set[type] = set()
"""Classes of iterables that are no file wrapper and have no length, as most."""


def around(body: Any, request: Request, environ: dict[str, Any]) -> Any:
    """What the server gets in place of the application's iterable."""
    kind = type(body)
    if kind not in unsized:
        if kind is list or kind is tuple:
            return in_memory(body, request)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type):
            if isinstance(body, wrapper):
                return as_file(body, request)
        elif wrapper is not None and hasattr(kind, "read"):
            # uWSGI's is a function that gives back the very file, which uWSGI then knows again.
            known = not hasattr(kind, "getbuffer") and rest_of(body)
            return as_file(body, request) if known else counted(Counted(), body, request)
        if kind is object:  # gunicorn's ALREADY_HANDLED: the application has kept the socket.
            request.disown()
            return body
        if kind is bytes and "uwsgi.version" in environ:  # which sends it as a whole
            request.sent += len(body)
            ended(request, True)
            return body
        if hasattr(kind, "__len__"):
            return _sized(body, request)
        if len(unsized) < 1000:
            unsized.add(kind)
    # Servers say who they are, and close every body. Test clients and WebOb may drop one unread.
    return counted(Counted() if "SERVER_SOFTWARE" in environ else Dropped(), body, request)


def counted(made: Counted, body: Any, request: Request) -> Counted:
    """`made` stands in for the body."""
    request.body = body
    made._body = body
    made._items = request.items()
    made.close = request.closing
    return made


def in_memory(body: Any, request: Request) -> Any:
    """A list or tuple, which servers may look into."""
    try:
        request.sent += sum(map(len, body))
    except TypeError:
        pass  # None, a number: see `refused`.
    request.first = request.first or perf_counter()
    counted: _InMemory = CountedList(body) if type(body) is list else CountedTuple(body)
    counted._request = request
    return counted


class _InMemory:
    """Of a list or tuple: recorded when the server is through with it, however it reads it."""

    _request: Request | None = None

    def __iter__(self) -> Iterator[bytes]:
        request, whole, begun = self._request, False, False
        try:
            for item in super().__iter__():  # type: ignore[misc]  # list's or tuple's
                try:
                    if type(item) is not bytes and not isinstance(item, BYTES):
                        if request:
                            refused(request, begun)
                    elif request and not request.plain and request.stream:
                        request.stream.sent(bytes(item))
                except BaseException as error:
                    http.failed(error)
                begun = True
                yield item
            whole = True
        finally:
            self._end(whole)

    def close(self) -> None:
        """Servers call it at the end; those that join a list do not, the last reference will."""
        self._end(True)

    def _end(self, whole: bool) -> None:
        request, self._request = self._request, None
        try:
            if request is not None:
                ended(request, whole)
                request.let_go()
        except BaseException as error:
            http.failed(error)

    __del__ = close


class CountedList(_InMemory, list):  # type: ignore[type-arg]
    """A list of chunks."""


class CountedTuple(_InMemory, tuple):  # type: ignore[type-arg]
    """A tuple of chunks."""


class Counted:
    """Any other iterable; what else it has is the application's."""

    # Looked up through `__getattr__`, each of these costs a microsecond's tenth: so there are few.
    __slots__ = ("_body", "_items", "close")
    _body: Any
    _items: Iterator[bytes]
    close: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        return self._items

    def __next__(self) -> bytes:
        return next(self._items)

    def __bytes__(self) -> bytes:
        return bytes(self._body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


step_aside(Counted.__next__)


class Dropped(Counted):
    """One that is perhaps neither read nor closed."""

    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        return self  # Who reads it has nothing else of it.

    def __del__(self) -> None:
        try:
            request: Request = object.__getattribute__(self, "close").__self__
        except AttributeError:
            return  # It stands for nothing yet.
        try:
            ended(request, True)  # Who has called it has what it wanted, and no connection.
            request.let_go()
        except BaseException as error:
            http.failed(error)


def _sized(body: Any, request: Request) -> CountedSized:
    """An iterable with a length."""
    made = CountedSized()
    made._request = request
    made._before = request.sent
    counted(made, body, request)
    return made


class CountedSized(Counted):
    """One with a length, through which servers go several times: gevent's adds up lengths first."""

    __slots__ = ("_before", "_request")
    _before: int
    _request: Request

    def __iter__(self) -> Iterator[bytes]:
        request = self._request
        if request.end:
            return iter(self._body)
        request.sent = self._before
        return request.items()

    def __len__(self) -> int:
        return len(self._body)
