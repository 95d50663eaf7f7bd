"""Litestar: the full template of whatever route took the request, errors, streams, sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar import (
    Controller,
    Litestar,
    Request,
    Response,
    Router,
    WebSocket,
    asgi,
    get,
    websocket,
)
from litestar.exceptions import (
    HTTPException,
    LitestarException,
    PermissionDeniedException,
    WebSocketDisconnect,
)
from litestar.response import ServerSentEvent, Stream

from tests.http.asgi import Message, body_of, exchange, run, status
from tests.http.numbers import Numbers

# Newer versions deprecate what the oldest that we test needs.
pytestmark = [
    pytest.mark.usefixtures("numbers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

CONNECT = {"type": "websocket.connect"}


def application(handlers: list[Any], **options: Any) -> Any:
    """An application without documentation and without a log of its errors."""
    return Litestar(handlers, openapi_config=None, logging_config=None, **options)


async def turned_away(connection: Any, _handler: Any) -> None:
    """A guard that lets nobody in."""

    raise PermissionDeniedException


def stopping(app: Any) -> Any:
    """A middleware that answers for its route."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return answer


def nested(folder: Path) -> Any:
    """An application with every way to nest that Litestar knows."""
    from litestar.static_files import create_static_files_router
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    class Orders(Controller):
        path = "/orders"

        @get("/{order:uuid}/lines/{line:int}")
        async def line(self) -> str:
            return "line"

        @get("/guarded", guards=[turned_away])
        async def guarded(self) -> str:
            return "in"

        @get("/limited", middleware=[stopping])
        async def limited(self) -> str:
            return "in"

    @get("/{rest:path}")
    async def rest() -> str:
        return "rest"

    @get(["/one", "/two/{x:str}"])
    async def several() -> str:
        return "several"

    @get("/leaf/{leaf:str}")
    async def leaf() -> str:
        return "leaf"

    async def plain(request: Any) -> PlainTextResponse:
        return PlainTextResponse("plain")

    @asgi("/bare", copy_scope=True)
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("bare")(scope, receive, send)

    inner = application([leaf])
    foreign = Starlette(routes=[Route("/plain/{x}/", plain)])
    mounts = [
        asgi("/inner", is_mount=True, copy_scope=True)(_passing(inner)),
        asgi("/foreign", is_mount=True, copy_scope=True)(_passing(foreign)),
    ]
    version = Router("/v1", route_handlers=[Orders, Router("/rest", route_handlers=[rest])])
    files = create_static_files_router(path="/files", directories=[folder])
    return application([Router("/api", route_handlers=[version]), several, bare, *mounts, files])


class _Passing:
    """A middleware that only passes on."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def _passing(app: Any) -> Any:
    async def pass_on(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return pass_on


ORDER = "/api/v1/orders/6f1f9a42-6a1c-4d5b-9a2c-0d5a3f3a7c11"


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        (f"{ORDER}/lines/3", "GET /api/v1/orders/{order}/lines/{line} 200"),
        (f"{ORDER}/lines/x", "GET unmatched 404"),
        ("/api/v1/orders/guarded", "GET /api/v1/orders/guarded 403"),
        ("/api/v1/orders/limited", "GET /api/v1/orders/limited 429"),
        ("/api/v1/rest/a/b/c", "GET /api/v1/rest/{rest} 200"),
        ("/one", "GET /one 200"),
        ("/two/x", "GET /two/{x} 200"),
        ("/bare", "GET /bare 200"),
        ("/inner/leaf/1", "GET /inner/leaf/{leaf} 200"),
        ("/inner/none", "GET /inner 404"),
        ("/foreign/plain/1", "GET /foreign/plain/{x}/ 200"),
        ("/files/a.txt", "GET /files/{file_path} 200"),
        ("/files/b.txt", "GET /files/{file_path} 404"),
        ("/nothing/here", "GET unmatched 404"),
    ],
)
def test_a_template_is_composed_of_all_that_was_passed(
    numbers: Numbers, tmp_path: Path, path: str, recorded: str
) -> None:
    """Routers, controllers, mounts of either kind; also when a guard or middleware answers."""
    (tmp_path / "a.txt").write_text("a")
    run(nested(tmp_path), path)

    assert numbers.counts() == {recorded: 1}


def test_it_composes_with_what_it_is_mounted_in(numbers: Numbers) -> None:
    """Litestar in Starlette counts once, by both prefixes."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    @get("/leaf/{leaf:str}")
    async def leaf() -> str:
        return "leaf"

    app = Starlette(routes=[Mount("/outer/{tenant}", application([leaf]))])
    assert body_of(run(app, "/outer/acme/leaf/1")) == b"leaf"

    assert numbers.counts() == {"GET /outer/{tenant}/leaf/{leaf} 200": 1}


def test_a_mount_at_the_root_adds_nothing(numbers: Numbers) -> None:
    """Its prefix is no doubled slash."""

    @get("/leaf")
    async def leaf() -> str:
        return "leaf"

    root = asgi("/", is_mount=True, copy_scope=True)(_passing(application([leaf])))
    assert status(run(application([root]), "/leaf")) == 200

    assert numbers.counts() == {"GET /leaf 200": 1}


RAISING = {"value": ValueError(), "key": KeyError(), "lookup": LookupError()}


def failing() -> Any:
    """An application that raises, and has handlers for some of it."""

    def teapot(request: Any, error: Any) -> Any:
        return Response("", status_code=418)

    def unavailable(request: Any, error: Any) -> Any:
        return Response("", status_code=503)

    @get("/{kind:str}")
    async def fail(request: Request[Any, Any, Any]) -> None:
        kind = request.path_params["kind"]
        raise RAISING.get(kind) or HTTPException(status_code=int(kind))

    return application([fail], exception_handlers={KeyError: teapot, LookupError: unavailable})


def test_an_exception_is_its_class_only_where_the_answer_is_an_error(numbers: Numbers) -> None:
    """Unhandled it is 500; a handler's answer counts as what the handler made of it."""
    app = failing()
    seen = [status(run(app, f"/{kind}")) for kind in (*RAISING, "403", "502")]

    assert seen == [500, 418, 503, 403, 502]
    assert numbers.counts() == {
        "GET /{kind} 500 ValueError": 1,
        "GET /{kind} 418": 1,
        "GET /{kind} 503 LookupError": 1,
        "GET /{kind} 403": 1,
        "GET /{kind} 502 litestar.exceptions.http_exceptions.HTTPException": 1,
    }
    assert numbers.total("http.server.active_requests") == 0


def test_a_stream_that_breaks_says_by_what(numbers: Numbers) -> None:
    """Not by the exception that Litestar raises in its place, one from the other, in each layer."""

    @get("/late", middleware=[_Passing])
    async def late() -> Stream:
        async def chunks() -> AsyncIterator[str]:
            yield "a"
            raise ValueError

        return Stream(chunks())

    with pytest.raises(LitestarException):
        run(application([late], middleware=[_Passing]), "/late")

    assert numbers.counts() == {"GET /late 200 ValueError": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_cached_answer_counts_by_its_route(numbers: Numbers) -> None:
    """Its handler is not called a second time."""

    calls = []

    @get("/cached/{x:str}", cache=60)
    async def cached() -> str:
        calls.append(1)
        return "cached"

    app = application([cached])
    assert [body_of(run(app, "/cached/1")) for _ in range(3)] == [b"cached"] * 3

    assert calls == [1]
    assert numbers.counts() == {"GET /cached/{x} 200": 3}


def test_events_are_a_stream_by_route(numbers: Numbers) -> None:
    """Litestar's own event streams."""

    @get("/events/{topic:str}")
    async def events() -> ServerSentEvent:
        async def told() -> Any:
            yield {"data": "1", "event": "tick"}
            yield {"data": "2", "event": "tick"}

        return ServerSentEvent(told())

    # Litestar listens until its server says that the connection has ended, after the last message.
    assert status(run(application([events]), "/events/news", gone_after=4)) == 200

    assert numbers.counts() == {}
    assert numbers.series("sse.events.sent") == {
        (("event", "tick"), ("http.route", "/events/{topic}")): [2.0]
    }
    assert numbers.total("sse.connections.active") == 0


def talk(app: Any, path: str, *messages: Message) -> list[Message]:
    """What an application answers to a client's messages on a socket."""
    given = [CONNECT, *messages, {"type": "websocket.disconnect", "code": 1001}]
    socket = exchange(app, path=path, kind="websocket", method=None, messages=given)
    return asyncio.run(socket)


def test_sockets_count_by_route_and_close(numbers: Numbers) -> None:
    """One that answers until its client goes, one that fails, one whose guard refuses."""

    @websocket("/echo/{room:str}")
    async def echo(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    @websocket("/fail/{room:str}")
    async def fail(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        raise ValueError

    @websocket("/guarded/{room:str}", guards=[turned_away])
    async def guarded(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()

    app = application([echo, fail, guarded])
    said = {"type": "websocket.receive", "text": "hi"}
    answers = [talk(app, f"/{kind}/1", said) for kind in ("echo", "fail", "guarded")]

    assert [one[-1]["type"].partition(".")[2] for one in answers] == ["send", "close", "close"]
    closed = {key: sum(cells[1:]) for key, cells in _closed(numbers).items()}
    assert closed == {("/echo/{room}", "1001"): 1, ("/fail/{room}", "4500"): 1}
    assert numbers.counts() == {"GET /guarded/{room} 403": 1}
    assert numbers.total("websocket.messages") == 2
    assert numbers.total("websocket.connections.active") == 0


def _closed(numbers: Numbers) -> dict[tuple[str, str], list[float]]:
    """Closed connections by route and code."""
    return {
        (dict(key)["http.route"], dict(key)["websocket.close.code"]): cells
        for key, cells in numbers.series("websocket.connection.duration").items()
    }


def test_an_application_answers_as_without_us(numbers: Numbers, tmp_path: Path) -> None:
    """Also through the test client, and its routes keep their names and handlers."""
    from litestar.testing import TestClient

    (tmp_path / "a.txt").write_text("a")
    app = nested(tmp_path)
    with TestClient(app) as client:
        answers = [client.get(path) for path in ("/one", "/files/a.txt", "/nothing")]
        allowed = client.options("/one")

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[0].text == "several"
    assert allowed.headers["allow"] == "GET, OPTIONS"
    assert numbers.counts() == {
        "GET /one 200": 1,
        "GET /files/{file_path} 200": 1,
        "GET unmatched 404": 1,
        "OPTIONS /one 204": 1,
    }


@pytest.mark.parametrize("method", ["DELETE", "HEAD"])
def test_a_method_that_a_route_has_no_handler_for_is_its_405(numbers: Numbers, method: str) -> None:
    """With parameters, without, and below a router."""

    @get("/items/{item:int}")
    async def item(item: int) -> int:
        return item

    @get("/plain")
    async def plain() -> str:
        return ""

    app = application([item, plain, Router("/api", route_handlers=[item])])
    for path in ("/items/3", "/plain", "/api/items/3"):
        assert status(run(app, path, method)) == 405
    assert status(run(app, "/none", method)) == 404

    assert numbers.counts() == {
        f"{method} /items/{{item}} 405": 1,
        f"{method} /plain 405": 1,
        f"{method} /api/items/{{item}} 405": 1,
        f"{method} unmatched 404": 1,
    }


@pytest.mark.swallows
def test_a_refused_method_is_refused_whatever_of_ours_fails(
    swallowed: list[tuple[str, BaseException]],
) -> None:
    """The library's own error reaches it, though the node is none that we can read."""
    from monagent.integrations import litestar

    class Refused(Exception):
        pass

    def refuse(node: Any, method: Any) -> None:
        raise Refused(node, method)

    node = object()
    with pytest.raises(Refused) as raised:
        litestar.handlers(refuse)(node, "PUT")

    assert raised.value.args == (node, "PUT")
    assert [component for component, _ in swallowed] == ["http"]
