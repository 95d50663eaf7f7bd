"""The file wrapper of a WSGI server, which reads the file by itself or not at all (`sendfile`).

It stays the very object, for servers and middleware look into it. What a server reads of it by
iteration is counted as of any body; of what it sends otherwise, the file's own position tells.
"""

from __future__ import annotations

import os
import sys

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.instrument.identity import function_type, step_aside
from monagent.integrations._wsgi_request import broke, ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from monagent.integrations._wsgi_request import Request

KEY = "_monagent_sending"
"""Under this name a wrapper holds its `Sending` until it is closed."""
_MOST_KINDS = 100

# Beside what an object is, it tells what it is: old releases of waitress ask `__class__` of it.
_become = vars(object)["__class__"].__set__

_kinds: dict[type, type | None] = {}
"""By the class of a wrapper, the one that it is of until it is read; None: it stays of its own."""


def as_file(body: Any, request: Request) -> Any:
    """The file wrapper itself; servers call its `close` at the end, so that is where we stand."""
    sending = Sending(body, request)
    try:
        sending.own = vars(body).get("close")
        body.close = sending.closing
    except (AttributeError, TypeError):  # uWSGI's is of C
        request.wrote(sending.size)
        ended(request, True)
        return body
    kind = type(body)
    try:
        noticing = _kinds[kind]
    except KeyError:
        noticing = noticing_kind(kind)
    if noticing is not None:
        try:
            _become(body, noticing)
        except TypeError:  # It cannot.
            return body
        sending.kind = kind
        vars(body)[KEY] = sending
    return body


class Sending:
    """A file wrapper on its way, between the application and its `close`.

    Attributes:
        own, close: `close` among the attributes of the wrapper before, and what it calls.
        kind: the class of the wrapper, if it is of another one till it is read or closed.
        read: the server iterates over it.
        rest: bytes of the file from its position on, if that is known.
        size: those that go, if the server sends the file by itself.
        raised: what is handled already, whatever becomes of this.
    """

    __slots__ = "begun", "body", "close", "kind", "own", "raised", "read", "request", "rest", "size"

    def __init__(self, body: Any, request: Request) -> None:
        self.body = body
        self.request = request
        self.begun = perf_counter()
        self.own: Any = None
        self.close: Callable[[], None] | None = getattr(body, "close", None)
        self.kind: type | None = None
        self.read = False
        self.raised = sys.exc_info()[1]
        self.rest = self.size = rest_of(body)
        # gunicorn sends no more than the answer declares.
        most = getattr(getattr(request.start_response, "__self__", None), "response_length", None)
        if isinstance(most, int):
            self.size = min(self.size, most)

    def items(self) -> Iterator[bytes]:
        """The server begins to read."""
        try:
            self.read = True
            self.request.body = self.body
            return self.request.items()
        except BaseException as error:
            http.failed(error)
            return iter(self.body)

    def closing(self) -> None:
        """What the server calls at the end."""
        try:
            self.put_back()
            if self.read:
                self.request.body = None
                self.request.stopped()
            else:
                self.sent()
            self.request.let_go()
        except BaseException as error:
            http.failed(error)
        if self.close is not None:
            self.close()

    def put_back(self) -> None:
        """The wrapper is what it was, and no circle is left."""
        body = self.body
        if self.own is None:
            del body.close
        else:
            body.close = self.own
        if vars(body).pop(KEY, None) is not None and type(body) is not self.kind:
            _become(body, self.kind)

    def sent(self) -> None:
        """The server is through with the file, which it has not read by iteration."""
        body, request = self.body, self.request
        remain = getattr(body, "remain", None)  # waitress counts what it has not sent yet.
        # gunicorn closes in a `finally`: what is being handled has kept it from the rest. It puts
        # the position back after the last byte, else `socket.sendfile` leaves it at the next one.
        error = sys.exc_info()[1] if remain is None else None
        broken = error is not None and error is not self.raised
        if broken:
            size = min(self.size, max(0, self.rest - rest_of(body)))
        else:
            size = self.size - (remain or 0)
        server = getattr(request.start_response, "__self__", None)
        if size or not broken or getattr(server, "headers_sent", False):
            request.first = request.first or self.begun
        request.sent += size
        if broken and not isinstance(error, OSError):
            broke(request, error)  # type: ignore[arg-type]  # it is one
        else:
            ended(request, not broken and not remain)


step_aside(Sending.closing)  # as in `Request`


def noticing_kind(kind: type) -> type | None:
    """A class for file wrappers of this one that tell their `Sending` when they are read; None if
    it is of C, for such servers know theirs by its class alone."""
    reads = getattr(kind, "__iter__", None) or getattr(kind, "__getitem__", None)
    if len(_kinds) >= _MOST_KINDS:
        return None
    made = None
    if type(reads) is function_type():
        looks = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__}
        try:
            made = type(kind)(kind.__name__, (kind,), {**looks, **methods(kind)})
        except Exception:
            pass  # It takes no classes of others.
    _kinds[kind] = made
    return made


def methods(kind: Any) -> dict[str, Any]:
    """Those that servers begin with."""

    def __iter__(self: Any) -> Iterator[bytes]:
        _become(self, kind)  # It is iterated over as ever, by us.
        sending = vars(self).get(KEY)
        return iter(self) if sending is None else sending.items()

    def prepare(self: Any, *args: Any, **named: Any) -> Any:
        size = kind.prepare(self, *args, **named)
        sending = vars(self).get(KEY)
        if sending is not None:
            sending.size = size
        return size

    made: dict[str, Any] = {"__iter__": __iter__, "__class__": property(lambda _: kind)}
    if hasattr(kind, "prepare"):  # waitress's, which says how much it will send of the file
        made["prepare"] = prepare
    return made


def rest_of(body: Any) -> int:
    """Bytes from the position of a file on disk or in memory to its end; 0 of any other."""
    file: Any = getattr(body, "filelike", None) or getattr(body, "file", None) or body
    try:
        if hasattr(file, "getbuffer"):  # in memory
            size: int = file.getbuffer().nbytes
        else:
            size = os.fstat(file.fileno()).st_size
        return max(0, size - int(file.tell()))
    except Exception:  # Those that are none have many ways to say so.
        return 0
