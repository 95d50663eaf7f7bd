"""ASGI: one request or connection, measured around any application.

A server's integration wraps the application it serves, a framework's the framework's own entry.
Both leave the `Exchange` in the scope, so the outer one records and the inner one passes through.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import sys
from itertools import chain, cycle, repeat
from operator import itemgetter

from monagent import settings
from monagent.conventions import http
from monagent.conventions._arrivals import arrived
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions._plain import Sender, arrived_asgi, left, served, served_by, served_with
from monagent.instrument.identity import giving_coroutines, step_aside
from monagent.integrations import _asgi_within, _mount, _websocket
from monagent.integrations._asgi_request import (
    FRESH,
    Request,
    broke_off,
    marked,
    paths_of,
)
from monagent.integrations._handed_on import held_by, is_a_servers, named_as
from monagent.integrations._stand_in import standing_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from monagent.integrations._asgi_request import Headers, Receive, Scope, Send

    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Excluded = Callable[[str, str, str], bool]

first_of = itemgetter(0)

QUEUE_HEADERS = frozenset((b"x-request-start", b"x-queue-start"))
no_queue = QUEUE_HEADERS.isdisjoint


def looks(first: int) -> Callable[[], bool]:
    """Says whether to look: at the `first` requests, and then at one of eight."""
    return chain(repeat(True, first), cycle((*repeat(False, 7), True))).__next__


_every: Callable[[], bool] = repeat(True).__next__
look = [looks(1000)]
"""Whether to look for a proxy's stamp: looking costs more the more headers there are, and a proxy
stamps all requests or none. Who has seen one looks at every request."""

_own: set[Any] = set()  # what `measured_method` has made for frameworks


def measured(app: App) -> App:
    """An application that does what `app` does, and is recorded; itself, if it is already."""
    if http.left_alone(app) or _measures_itself(app):
        return app
    call = _call
    if settings.current().http_paths == "normalise":
        from monagent.integrations import _by_path  # Only who asks for it pays for it.

        call = _by_path.asgi if _by_path.bare(app) else _call
    bound: App = measured_method(call).__get__(app)
    return bound


def shown(app: App) -> App:
    """`measured`, where others get to see the application: at a server's configuration."""
    call = measured(app)
    return app if call is app else standing_in(app, call)


def framework(original: Any) -> Any:
    """`measured_method` for the `__call__` of a framework's application class."""
    made = measured_method(original)
    _own.add(made)
    return made


def measured_method(original: Any) -> Any:
    """A `__call__(self, scope, receive, send)` that does what `original` does, and is recorded."""
    arrivals = http.arrivals
    around_socket = _websocket.around
    excluded = http.excluder()
    some_off = http.some_off()
    is_sender = Sender is not object
    # Before 3.11 a function that gives coroutines is a coroutine function by awaiting them.
    handed_on = served is not None and sys.version_info >= (3, 11)
    marked()

    # Every request passes here: written out, with an eye on each instruction of Python's.
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        request = socket = None
        try:
            if arrived_asgi is not None and not handed_on:
                request = arrived_asgi(Request, arrivals, scope, receive, send)
            if request is None:
                request, socket = arriving(scope, receive, send)
        except BaseException as error:
            http.failed(error)
        if request is None:
            if socket is not None:
                return await around_socket(original, self, socket, scope, receive, send)
            if "endpoint" in scope and (inner := within(scope)) is not None:
                return await _asgi_within.call(original, self, scope, receive, send, inner)
            return await original(self, scope, receive, send)
        try:
            sending = request if is_sender else request.sending
            result = await original(self, scope, request.receiving, sending)
        except BaseException as error:
            try:
                scope.pop(KEY, None)
                over(request, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            # The server's object holds the scope, and the request that object.
            done = None if left is None else left(scope, request)
            if done is None:
                scope.pop(KEY, None)
                done = request.recorded
            if not done:
                over(request, None)
        except BaseException as error:
            http.failed(error)
        return result

    call = at_once(original, step_aside(__call__)) if handed_on else __call__
    chooses = excluded or some_off or settings.current().mount
    return choosing(call, excluded, some_off) if chooses else call


def at_once(original: Any, asking: Any) -> Any:
    """A `__call__` that gives what stands for the application's own coroutine in C: nothing of ours
    is passed when that is resumed. What is not plain goes by `asking`."""
    arrivals = http.arrivals

    def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        given = served(Request, arrivals, original, self, scope, receive, send)
        return asking(self, scope, receive, send) if given is None else given

    return giving_coroutines(__call__)


def choosing(call: Any, excluded: Excluded | None, some_off: bool) -> Any:
    """A `__call__` in front of `call` that leaves out what settings leave out, and answers what
    is monagent's own."""
    mount = _mount.path()

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        ours = False
        try:
            if KEY in scope or scope["type"] == "lifespan":
                pass
            elif mount is not None and scope["type"] == "http" and mount in paths_of(scope):
                ours = scope["method"] in ("GET", "HEAD")
            elif (some_off and http.left_alone(self)) or (
                excluded is not None and scope["type"] == "http" and left_out(excluded, scope)
            ):
                scope[KEY] = Exchange()
        except BaseException as error:
            http.failed(error)
        if ours:
            return await _mount.asgi(scope, send)
        return await call(self, scope, receive, send)

    return __call__


def _measures_itself(app: App) -> bool:
    """Whether its class is a framework's whose `__call__` is measured, or hands on to that."""
    for base in type(app).__mro__:
        call = vars(base).get("__call__")
        if call in _own:
            return True
        if call is not None and base.__module__ != "fastapi.applications":
            return False
    return False


def _call(app: App, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return app(scope, receive, send)


def arriving(
    scope: Scope, receive: Receive, send: Send
) -> tuple[Request | None, _websocket.Socket | None]:
    """A request that arrives now, or a connection; neither when it is measured already, or is
    something else."""
    if KEY in scope or goes_on(scope, receive, send):
        return None, None
    try:
        arrival = http.arrivals[scope["scheme"]][scope["method"]]
    except KeyError:
        marked()
        kind = scope.get("type")
        if kind == "websocket" and not http.broken:
            return None, _websocket.Socket(scope)
        if kind != "http" or http.broken:
            return None, None
        arrival = arrived(scope.get("method", ""), scope.get("scheme", "http"))
    # Falcon's test client, by the letter of ASGI, gives what can be read once.
    if (
        look[0]()
        and type(headers := scope.get("headers")) is list
        and not no_queue(map(first_of, headers))
    ):
        queued(headers)
    request = Request()
    request.receive = receive
    request.send = send
    request.stage = FRESH
    scope[KEY] = request
    request.arrives(arrival)
    return request, None


def goes_on(scope: Scope, receive: Receive, send: Send) -> bool:
    """Whether the scope is of a request that is measured already, as what is handed on with it
    tells: somebody has made the scope anew, without what is no key of ASGI's. It has that then."""
    exchange = exchange_of(send)
    if exchange is None:
        exchange = exchange_of(receive) or held_exchange(send) or held_exchange(receive)
        if exchange is None:
            is_a_servers(send)
            is_a_servers(receive)
            named_as(receive, Request.receiving)
            named_as(send, Request.sending)
            if served_with is not None:
                served_with(type(getattr(receive, "__self__", receive)))
            return False
        if _asgi_within.is_routed(exchange):
            exchange = Exchange()  # An endpoint asks, and answers by itself: nobody's route.
    scope[KEY] = exchange
    return True


def exchange_of(handed_on: Receive | Send) -> Exchange | None:
    """Whose `send` or `receive` it is."""
    return _owned(getattr(handed_on, "__self__", handed_on))


def held_exchange(handed_on: Receive | Send) -> Exchange | None:
    """Whose `send` or `receive` is held by something of somebody's, while that goes on."""
    found = (_owned(held) for held in held_by(handed_on))
    return next((one for one in found if one is not None and not one.recorded), None)


def _owned(owner: Any) -> Exchange | None:
    return owner if type(owner) is Request else _websocket.exchange_of(owner)


def within(scope: Scope) -> Exchange | None:
    """What stands for another request that an endpoint asks for inside of its own, if it is one."""
    try:
        return Exchange() if _asgi_within.an_endpoint(scope) else None
    except BaseException as error:
        http.failed(error)
        return None


async def awaiting(given: Awaitable[Any]) -> Any:
    """The coroutine of an application that gave something else to be awaited."""
    return await given


def over(request: Request, error: BaseException | None) -> None:
    """The application is through with the request."""
    if not request.recorded:
        if not request.end:
            broke_off(request)
        request.over(error)


def queued(headers: Headers) -> None:
    """Record how long the request has waited, by the first stamp of a proxy."""
    look[0] = _every
    stamp = next(value for name, value in headers if name in QUEUE_HEADERS)
    http.queued(stamp.decode("latin-1"))


def left_out(excluded: Excluded, scope: Scope) -> bool:
    """Whether the request is excluded by its URL."""
    headers = scope.get("headers")
    known = headers if isinstance(headers, (list, tuple)) else ()  # Else the application's alone.
    host = next((value for name, value in known if name == b"host"), b"")
    scheme, named = scope.get("scheme", "http"), host.decode("latin-1")
    return any(excluded(scheme, named, path) for path in paths_of(scope))


if served is not None:
    served_by(over, step_aside(awaiting))
