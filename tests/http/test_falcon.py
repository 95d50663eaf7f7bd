"""Falcon: every request and connection by its URI template, in WSGI and in ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import falcon
import falcon.asgi
import pytest
from falcon import testing
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from monagent import settings
from monagent.instrument import hooks
from monagent.integrations._wsgi import measured
from tests.http.asgi import run, status
from tests.http.numbers import Numbers

pytestmark = pytest.mark.usefixtures("numbers")

Ask = Callable[..., int]


class Teapot(falcon.HTTPStatus):
    """An answer that is raised."""

    def __init__(self) -> None:
        super().__init__(falcon.HTTP_418)


def fails(kind: str) -> None:
    """Raises by name."""
    if kind == "http":
        raise falcon.HTTPForbidden
    if kind == "server":
        raise falcon.HTTPServiceUnavailable
    if kind == "status":
        raise Teapot
    if kind == "handled":
        raise LookupError
    raise ValueError(kind)


class Resource:
    """Answers in WSGI."""

    def on_get(self, req: Any, resp: Any, kind: str = "", number: int = 0) -> None:
        resp.text = f"{number}"
        if kind:
            fails(kind)


class AsyncResource:
    """Answers in ASGI."""

    async def on_get(self, req: Any, resp: Any, kind: str = "", number: int = 0) -> None:
        resp.text = f"{number}"
        if kind:
            fails(kind)
        if req.path == "/events":
            resp.sse = self.events()

    async def events(self) -> AsyncIterator[falcon.asgi.SSEvent]:
        yield falcon.asgi.SSEvent(text="a")
        yield falcon.asgi.SSEvent(text="b")

    async def on_websocket(self, req: Any, ws: Any, kind: str = "", number: int = 0) -> None:
        if kind:
            fails(kind)
        await ws.accept()
        await ws.send_text("hello")
        await ws.close()


class Stops:
    """A middleware that answers before there is a route."""

    def process_request(self, req: Any, resp: Any) -> None:
        if req.path == "/stopped":
            resp.complete = True

    async def process_request_async(self, req: Any, resp: Any) -> None:
        self.process_request(req, resp)


def furnished(app: Any, resource: object, sink: object, handler: object, folder: Path) -> Any:
    """The same in either interface."""
    app.add_route("/items/{number:int}", resource)
    app.add_route("/fail/{kind}", resource)
    app.add_route("/events", resource)
    app.add_sink(sink, "/sink")
    app.add_sink(sink, r"/other/(?P<name>\w+)")
    app.add_static_route("/static", str(folder))
    app.add_middleware(Stops())
    app.add_error_handler(LookupError, handler)
    return app


def wsgi(folder: Path) -> Any:
    """The application in WSGI."""

    def sink(req: Any, resp: Any, **parameters: Any) -> None:
        resp.text = "sink"

    def handler(req: Any, resp: Any, error: Any, parameters: Any) -> None:
        resp.status = 409

    return furnished(falcon.App(), Resource(), sink, handler, folder)


def asgi(folder: Path) -> Any:
    """The application in ASGI."""

    async def sink(req: Any, resp: Any, **parameters: Any) -> None:
        resp.text = "sink"

    async def handler(req: Any, resp: Any, error: Any, parameters: Any, **more: Any) -> None:
        if resp is not None:
            resp.status = 409

    return furnished(falcon.asgi.App(), AsyncResource(), sink, handler, folder)


@pytest.fixture(params=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest, tmp_path: Path, numbers: Numbers) -> Ask:
    """Sends a request to the application in one of both interfaces; gives the status."""
    (tmp_path / "a.txt").write_text("a")
    if request.param == "wsgi":
        client = Client(wsgi(tmp_path))
        return lambda path, method="GET": (
            client.open(path, method=method, buffered=True).status_code
        )
    app = asgi(tmp_path)
    return lambda path, method="GET": status(run(app, path, method))


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/items/3", "GET /items/{number:int} 200"),
        ("/items/none", "GET unmatched 404"),
        ("/nothing", "GET unmatched 404"),
        ("/stopped", "GET unmatched 200"),
        ("/sink/a/b", "GET /sink 200"),
        ("/other/a", r"GET /other/(?P<name>\w+) 200"),
        ("/static/a.txt", "GET /static/{path} 200"),
        ("/static/none", "GET /static/{path} 404"),
        ("/fail/http", "GET /fail/{kind} 403"),
        ("/fail/status", "GET /fail/{kind} 418"),
        ("/fail/server", "GET /fail/{kind} 503 503"),
        ("/fail/handled", "GET /fail/{kind} 409"),
    ],
)
def test_a_request_counts_by_its_template(
    ask: Ask, numbers: Numbers, path: str, recorded: str
) -> None:
    """Sinks and static routes by what they were declared with, answers that are raised too."""
    assert ask(path) == int(recorded.split()[2])

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_what_no_handler_takes_is_a_500_with_the_class(ask: Ask, numbers: Numbers) -> None:
    """Falcon makes a response of it, so that no server ever sees the exception."""
    assert ask("/fail/now") == 500

    assert numbers.counts() == {"GET /fail/{kind} 500 ValueError": 1}


def test_a_method_without_a_responder_has_its_template(ask: Ask, numbers: Numbers) -> None:
    """405 is an answer of that route."""
    assert ask("/items/3", "POST") == 405

    assert numbers.counts() == {"POST /items/{number:int} 405": 1}


def test_an_event_stream_is_no_request(numbers: Numbers, tmp_path: Path) -> None:
    """It has a lifetime and events, by its route."""
    run(asgi(tmp_path), "/events")

    assert numbers.counts() == {}
    assert numbers.counts("sse.connection.duration") == {"/events": 1}
    assert numbers.total("sse.events.sent") == 2


def test_a_websocket_is_known_by_its_template(numbers: Numbers, tmp_path: Path) -> None:
    """Open, a message, closed."""
    connect = [{"type": "websocket.connect"}]
    run(asgi(tmp_path), "/items/3", kind="websocket", messages=connect)

    assert numbers.counts("websocket.connection.duration") == {"/items/{number:int}": 1}
    assert numbers.total("websocket.messages") == 1
    assert numbers.counts() == {}


def test_a_websocket_refused_by_an_error_is_a_request(numbers: Numbers, tmp_path: Path) -> None:
    """A handshake that fails is answered as one."""
    connect = [{"type": "websocket.connect"}]
    run(asgi(tmp_path), "/fail/http", kind="websocket", messages=connect)

    assert numbers.counts() == {"GET /fail/{kind} 403": 1}


def test_an_application_behind_a_dispatcher_has_its_mount_point(
    numbers: Numbers, tmp_path: Path
) -> None:
    """In the template, but not a prefix that a proxy has put there."""
    app = DispatcherMiddleware(wsgi(tmp_path), {"/admin": wsgi(tmp_path)})
    client = Client(measured(app))
    client.get("/admin/items/3", environ_overrides={"SCRIPT_NAME": "/tenant7"}).get_data()
    client.get("/items/3").get_data()

    assert numbers.counts() == {
        "GET /admin/items/{number:int} 200": 1,
        "GET /items/{number:int} 200": 1,
    }


@pytest.mark.parametrize("excluded", [None, "/none"])
def test_arguments_may_be_given_by_falcons_names(
    numbers: Numbers, tmp_path: Path, excluded: str | None
) -> None:
    """PEP 3333 names none of them."""
    if excluded:
        hooks.uninstall()
        settings.use(settings.load({"MONAGENT_EXCLUDED_URLS": excluded}))
        hooks.install()
    environ: dict[str, Any] = {"PATH_INFO": "/items/3"}
    setup_testing_defaults(environ)

    answer = wsgi(tmp_path)(env=environ, start_response=lambda *_: None)

    assert b"".join(answer)
    assert numbers.counts() == {"GET /items/{number:int} 200": 1}


def test_falcons_own_client_is_answered_as_without_monagent(
    numbers: Numbers, tmp_path: Path
) -> None:
    """It gives what ASGI says is iterable as iterators."""

    class Echo:
        async def on_post(self, request: Any, response: Any) -> None:
            response.text = request.content_type

    app = falcon.asgi.App()
    app.add_route("/echo", Echo())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # Older versions look for one.
    try:
        answer = testing.simulate_post(app, "/echo", content_type="text/x-own", body=b"a")
    finally:
        asyncio.set_event_loop(None)
        loop.close()

    assert (answer.status_code, answer.text) == (200, "text/x-own")
    assert numbers.counts() == {"POST /echo 200": 1}
