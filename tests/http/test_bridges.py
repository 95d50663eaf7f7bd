"""Handed to another kind of application, dispatched, or tried again: a request counts once."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import quart
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from monagent import guard
from monagent.conventions._exchange import KEY, Exchange
from monagent.integrations import _asgi
from monagent.integrations._bridge import handing_on
from tests.http.asgi import body_of, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.numbers import Numbers


def flask() -> Flask:
    app = Flask("inner")

    @app.get("/")
    def home() -> str:
        return "home"

    @app.get("/items/<int:number>")
    def item(number: int) -> str:
        return str(number)

    @app.get("/stream")
    def stream() -> Any:
        return (part for part in "abc")

    return app


def bridged(by: str) -> Any:
    """A Flask application as one of ASGI."""
    if by == "asgiref":
        from asgiref.wsgi import WsgiToAsgi

        return WsgiToAsgi(flask())  # type: ignore[no-untyped-call]
    if by == "hypercorn":
        from hypercorn.middleware import AsyncioWSGIMiddleware

        return AsyncioWSGIMiddleware(flask())
    if by == "a2wsgi":
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(flask())  # type: ignore[arg-type]  # it takes Flask
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.middleware import wsgi
    return wsgi.WSGIMiddleware(flask())


@pytest.mark.parametrize("by", ["asgiref", "hypercorn", "a2wsgi", "starlette"])
def test_flask_under_asgi_counts_once_by_its_rule(by: str, numbers: Numbers) -> None:
    """Nor is anything active behind the last, though asgiref closes no body."""
    app = _asgi.measured(bridged(by))

    assert body_of(run(app, "/items/3")) == b"3"
    assert body_of(run(app, "/stream")) == b"abc"
    run(app, "/none")

    assert numbers.counts() == {
        "GET /items/<int:number> 200": 1,
        "GET /stream 200": 1,
        "GET unmatched 404": 1,
    }
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize("by", ["asgiref", "hypercorn", "a2wsgi", "starlette", "quart", "files"])
def test_what_an_application_at_the_root_does_not_take_is_no_home_page(
    by: str, numbers: Numbers, tmp_path: Path
) -> None:
    """Only of files, which have no routes, all are below the mount."""
    app: Any = StaticFiles(directory=tmp_path, html=True)
    if by == "quart":
        app = quart.Quart("inner")

        @app.get("/")  # type: ignore[untyped-decorator]
        async def home() -> str:
            return "home"
    elif by != "files":
        app = bridged(by)
    (tmp_path / "index.html").write_text("home")
    outer = Starlette(routes=[Route("/health", hello), Mount("/", app)])
    for path in ("/", "/none", "/health"):
        run(outer, path)

    rest = "/" if by == "files" else "unmatched"
    assert numbers.counts() == {"GET / 200": 1, f"GET {rest} 404": 1, "GET /health 200": 1}


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def test_applications_behind_hypercorns_dispatcher_have_their_mount_points(
    numbers: Numbers,
) -> None:
    """Two of them may have the same route; one at the root adds nothing to its routes."""
    from hypercorn.middleware import DispatcherMiddleware

    def inner() -> Starlette:
        return Starlette(routes=[Route("/items/{item}", hello), Mount("/m", routes=[])])

    mounts: Any = {"/a": inner(), "/b": inner(), "/": inner()}
    app: Any = DispatcherMiddleware(mounts)
    app = _asgi.measured(app)
    for path in ("/a/items/1", "/b/items/1", "/items/1", "/a/none", "/none"):
        run(app, path)

    assert numbers.counts() == {
        "GET /a/items/{item} 200": 1,
        "GET /b/items/{item} 200": 1,
        "GET /items/{item} 200": 1,
        "GET /a 404": 1,
        "GET unmatched 404": 1,
    }


@pytest.mark.swallows
def test_hypercorns_dispatcher_dispatches_whatever_of_ours_fails(
    numbers: Numbers, swallowed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is that of the application at the mount."""
    from hypercorn.middleware import DispatcherMiddleware

    from monagent.integrations import hypercorn

    app: Any = DispatcherMiddleware({"/a": Starlette(routes=[Route("/{item}", hello)])})  # type: ignore[dict-item]
    app = _asgi.measured(app)
    expected = [run(app, path) for path in ("/a/1", "/a/b/c", "/none")]

    def fail(*args: Any) -> None:
        raise ValueError

    monkeypatch.setattr(hypercorn, "dispatched", fail)

    assert [run(app, path) for path in ("/a/1", "/a/b/c", "/none")] == expected
    assert [component for component, _ in swallowed] == ["http"] * 3


@pytest.mark.parametrize("second", ["/api/x", "/other"])
def test_what_is_asked_again_is_below_its_mounts_once(second: str, numbers: Numbers) -> None:
    """A middleware retries, or falls back to another path, with copies of the scope."""
    asked = []

    async def second_time(_request: Any) -> PlainTextResponse:
        asked.append(1)
        if len(asked) == 1:
            raise ConnectionError
        return PlainTextResponse("at last")

    class Again:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            try:
                await self.app(dict(scope), receive, send)
            except ConnectionError:
                await self.app({**scope, "path": second}, receive, send)

    routes = [Mount("/api", routes=[Route("/{name}", second_time)]), Route("/other", second_time)]
    run(Starlette(routes=routes, middleware=[Middleware(Again)]), "/api/x")

    assert numbers.counts() == {f"GET {second.replace('/x', '/{name}')} 200": 1}


@pytest.mark.swallows
def test_what_a_bridge_builds_stays_the_applications_when_ours_fails() -> None:
    """It is handed on as it was built, and the failure is counted."""
    built = handing_on(lambda _scope: ("no", "environ"))({KEY: None})

    assert built == ("no", "environ")
    assert guard.counts["http"] == 1
    with pytest.raises(ZeroDivisionError):  # The bridge's own failures are its own.
        handing_on(lambda **_: 1 // 0)(scope={KEY: None})


def test_the_outer_request_may_be_given_by_its_name() -> None:
    """As bridges may call what they build with."""
    exchange = Exchange()
    build = handing_on(lambda _scope=None, body=b"", **_: {"body": body})

    assert build(body=b"", scope={KEY: exchange}) == {"body": b"", KEY: exchange}
    assert build({}, b"") == {"body": b""}


async def batch(request: Request) -> PlainTextResponse:
    """Asks its own application for each path that it is given."""
    bodies: list[bytes] = []

    async def keep(message: Any) -> None:
        bodies.append(message.get("body", b""))

    for path in request.query_params["paths"].split():
        scope = {**request.scope, "path": path, "raw_path": path.encode()}
        await request.app(scope, request.receive, keep)
    return PlainTextResponse(b"".join(bodies))


def batching(framework: str) -> Any:
    """An application with a batch endpoint, at the top and in a mount."""
    if framework == "fastapi":
        app = FastAPI()
        app.get("/items/{item}")(lambda item: item)
        app.get("/batch")(batch)
        below = FastAPI()
        below.get("/batch")(batch)
        below.get("/things/{thing}")(lambda thing: thing)
        app.mount("/api", below)
        return app
    routes: list[Any] = [Route("/items/{item}", hello), Route("/batch", batch)]
    return Starlette(routes=[*routes, Mount("/api", routes=[*routes, Route("/things/{t}", hello)])])


@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
@pytest.mark.parametrize("outer", ["/batch", "/api/batch"])
def test_a_batch_of_requests_inside_an_endpoint_leaves_it_its_route(
    framework: str, outer: str, numbers: Numbers
) -> None:
    """One request came, whatever others it makes of its scope, found or not."""
    asked = b"paths=/items/1+/api/things/2+/none"
    answered = run(batching(framework), outer, query_string=asked)

    assert answered[0]["status"] == 200
    assert b"Not Found" in body_of(answered)
    assert numbers.counts() == {f"GET {outer} 200": 1}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.swallows
def test_a_batch_is_answered_whatever_of_ours_fails(
    numbers: Numbers, swallowed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests are routed as others."""
    asked = b"paths=/items/1+/none"
    expected = run(batching("starlette"), "/batch", query_string=asked)

    def fail(*args: Any) -> None:
        raise ValueError

    monkeypatch.setattr(_asgi, "Exchange", fail)

    assert run(batching("starlette"), "/batch", query_string=asked) == expected
    assert [component for component, _ in swallowed] == ["http"] * 2


def test_an_application_that_an_endpoint_answers_with_brings_its_route(numbers: Numbers) -> None:
    """The server gets its answer; so it does of one that an endpoint's class hands on to."""
    inner = Starlette(routes=[Route("/v1/items/{item}", hello)])

    async def choose(_request: Request) -> Any:
        return inner

    class Choose:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(dict(scope), receive, send)

    for endpoint in (choose, Choose(inner)):
        run(Starlette(routes=[Route("/v1/{rest:path}", endpoint)]), "/v1/items/1")

    assert numbers.counts() == {"GET /v1/items/{item} 200": 2}
