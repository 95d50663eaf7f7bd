"""Middleware hands on a scope or an environ that it has made anew: the request is still the same.

Nothing of ours is in those. What is handed on with them tells, or what that holds.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from monagent.conventions._exchange import KEY
from monagent.integrations import _asgi, _asgi_within, _websocket, _wsgi
from tests.http.asgi import run, scope
from tests.http.conversations import Bottom
from tests.http.numbers import Numbers
from tests.http.wsgi import get

OF_ASGI = frozenset(scope())
OWN: dict[str, tuple[bool, bool]] = {
    "nothing": (False, False),
    "receive": (True, False),
    "send": (False, True),
    "both": (True, True),
    "partial": (True, True),
    "partial by name": (True, True),
    "method": (True, True),
}
"""Whether the middleware has a `receive` and a `send` of its own."""


async def hello(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("hello")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


def starlette() -> Starlette:
    routes = [Route("/{name}", hello, methods=["GET", "LOCK"]), WebSocketRoute("/{name}/ws", talk)]
    return Starlette(routes=[Mount("/api", routes=routes)])


class Responder:
    """Hands on what it is given."""

    def __init__(self, send: Any) -> None:
        self.send = send

    async def forward(self, message: Any) -> None:
        await self.send(message)

    def start(self, *start: Any) -> Any:
        return self.send(*start)


def anew(app: Any, own: str) -> Any:
    """Middleware that hands on what ASGI knows, and no more."""
    own_receive, own_send = OWN[own]

    async def forward(send: Any, message: Any) -> None:
        await send(message)

    async def forward_to(message: Any, send: Any) -> None:
        await send(message)

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def receiving() -> Any:
            return await receive()

        async def sending(message: Any) -> None:
            await send(dict(message))

        holding: Any = sending
        if own == "partial":
            holding = partial(forward, send)
        elif own == "partial by name":
            holding = partial(forward_to, send=send)
        elif own == "method":
            holding = Responder(send).forward
        kept = {name: value for name, value in scope.items() if name in OF_ASGI}
        assert KEY not in kept
        await app(kept, receiving if own_receive else receive, holding if own_send else send)

    return middleware


@pytest.mark.parametrize(("method", "known"), [("GET", "GET"), ("LOCK", "_OTHER")])
@pytest.mark.parametrize("own", OWN)
def test_a_request_is_one(own: str, method: str, known: str, numbers: Numbers) -> None:
    """With the route that is found in the scope that was made."""
    sent = run(_asgi.measured(anew(starlette(), own)), "/api/x", method=method)

    assert sent[-1]["body"] == b"hello"
    assert numbers.counts() == {f"{known} /api/{{name}} 200": 1}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize("own", OWN)
def test_each_of_several_requests_is_one(own: str, numbers: Numbers) -> None:
    """Nothing of the one is left in the next."""
    app = _asgi.measured(anew(anew(starlette(), own), own))
    for path in ("/api/x", "/none", "/api/y"):
        run(app, path)

    assert numbers.counts() == {"GET /api/{name} 200": 2, "GET unmatched 404": 1}


@pytest.mark.parametrize("own", OWN)
def test_a_connection_is_one(own: str, numbers: Numbers) -> None:
    """A WebSocket's, which is no answered request and has the route."""
    messages = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    app = _asgi.measured(anew(starlette(), own))
    sent = run(app, "/api/x/ws", kind="websocket", messages=messages)

    assert [message["type"].split(".")[1] for message in sent] == ["accept", "send", "close"]
    assert numbers.counts() == {}
    assert numbers.total("http.server.active_requests") == 0
    (opened,) = numbers.series("websocket.connection.duration")
    assert dict(opened)["http.route"] == "/api/{name}/ws"


def test_a_function_that_holds_an_earlier_request_is_of_the_next(numbers: Numbers) -> None:
    """Somebody has kept what belongs to a request that has ended."""
    kept: list[Any] = []

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        kept.append(send)
        await hello_app(scope, receive, send)

    hello_app = starlette()
    app = _asgi.measured(keeping)
    run(app, "/api/x")

    async def server(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            assert kept
            assert unset is None
            await send(message)

        earlier = kept[0]

        async def holding(message: Any) -> None:
            assert earlier is kept[0]
            await (send if kept else sending)(message)

        await app(scope, receive, holding)
        unset = None

    run(server, "/api/y")

    assert numbers.counts() == {"GET /api/{name} 200": 2}


@pytest.mark.parametrize("own", ["nothing", "send"])
def test_what_an_endpoint_asks_for_is_no_request(own: str, numbers: Numbers) -> None:
    """Where it hands on what it was given, or its `receive` alone: the request has its route."""
    inner = starlette()

    async def forward(request: Request) -> Any:
        sent: list[Any] = []

        async def sending(message: Any) -> None:
            sent.append(message)

        if own == "nothing":
            return lambda _, receive, send: inner(scope("/api/x"), receive, send)
        await inner(scope("/api/x"), request.receive, sending)
        return PlainTextResponse(sent[-1]["body"])

    outer = Starlette(routes=[Route("/forward", forward)])
    sent = run(_asgi.measured(outer), "/forward")

    assert sent[-1]["body"] == b"hello"
    assert numbers.counts() == {"GET /forward 200": 1}


@pytest.mark.swallows
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (_asgi, "goes_on"),
        (_asgi, "exchange_of"),
        (_asgi, "held_exchange"),
        (_asgi, "held_by"),
        (_websocket, "exchange_of"),
        (_asgi_within, "is_routed"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("own", OWN)
def test_whatever_of_ours_fails_the_answer_is_the_same(
    own: str, kind: str, module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even an Exception of ours is the application's."""
    path = "/api/x" if kind == "http" else "/api/x/ws"
    said = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    messages = None if kind == "http" else said
    expected = run(anew(starlette(), own), path, kind=kind, messages=messages)

    def fail(*_: Any) -> Any:
        raise Bottom

    monkeypatch.setattr(module, name, fail)
    app = _asgi.measured(anew(starlette(), own))

    assert run(app, path, kind=kind, messages=messages) == expected


@pytest.mark.parametrize("own", ["nothing", "start_response", "partial", "method"])
def test_an_environ_that_was_made_anew_is_of_the_same_request(own: str, numbers: Numbers) -> None:
    """With the route that Flask finds."""
    flask = Flask(__name__)
    flask.add_url_rule("/<name>", view_func=lambda name: name)

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        def starting(*start: Any) -> Any:
            return start_response(*start)

        kept = {
            name: value
            for name, value in environ.items()
            if name.isupper() or name.startswith("wsgi.")
        }
        assert KEY not in kept
        forms: dict[str, Any] = {
            "start_response": starting,
            "partial": partial(start_response),
            "method": Responder(start_response).start,
        }
        return flask(kept, forms.get(own, start_response))

    app = _wsgi.measured(middleware)
    assert [get(app, path) for path in ("/x", "/none/x", "/y")] == [200, 404, 200]

    assert numbers.counts() == {"GET /<name> 200": 2, "GET unmatched 404": 1}
    assert numbers.total("http.server.active_requests") == 0
