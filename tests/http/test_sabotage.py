"""Whatever of monagent fails while a request passes, the answer stays byte for byte the same."""

from __future__ import annotations

import asyncio
import inspect
import io
import sys
from typing import Any
from wsgiref.util import FileWrapper

import flask
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.responses import StreamingResponse

from monagent import guard, metrics
from monagent.conventions import _arrivals, _exchange, http, realtime
from monagent.instrument import hooks
from monagent.integrations import (
    _asgi,
    _asgi_request,
    _websocket,
    _wsgi,
    _wsgi_body,
    _wsgi_file,
    _wsgi_input,
    _wsgi_request,
)
from monagent.metrics import declared, family, recorders
from monagent.store import shard
from tests.http.asgi import exchange, run
from tests.http.numbers import Numbers

pytestmark = [pytest.mark.swallows, pytest.mark.usefixtures("numbers")]

# These stand in for the server's or the application's own objects, as closures do elsewhere: what
# they call is sabotaged, they are not.
STAND_INS = {"Counted", "CountedInput", "CountedList", "CountedSized"}
STAND_INS |= {"CountedTuple", "Dropped", "Entered", "Open", "_InMemory"}
CALLED_BY_OTHERS = frozenset(
    [
        "__del__",
        "closing",
        "ending",
        "items",
        "passing",
        "receiving",
        "sending",
        "starting_response",
        "writing",
    ]
)

MODULES = [
    _arrivals,
    _exchange,
    http,
    realtime,
    _asgi,
    _asgi_request,
    _websocket,
    _wsgi,
    _wsgi_body,
    _wsgi_file,
    _wsgi_input,
    _wsgi_request,
    declared,
    family,
    recorders,
    shard,
]


class Bottom(BaseException):
    """Not even an Exception."""


def reachable() -> list[str]:
    """Every function and method of the modules that a request passes, by "module:path"."""
    found: list[str] = []
    module: Any
    for module in [
        *MODULES,
        *(sys.modules[f"{hooks.PACKAGE}.{n}"] for n in ("starlette", "_werkzeug_rules")),
    ]:
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(value) and name != "failed":  # it is the guard
                found.append(f"{module.__name__}:{name}")
            elif name in STAND_INS:
                continue
            elif inspect.isclass(value) and not issubclass(value, BaseException):
                found += [
                    f"{module.__name__}:{name}.{method}"
                    for method, function in vars(value).items()
                    if inspect.isfunction(function) and method not in CALLED_BY_OTHERS
                ]
    routers = (sys.modules[f"{hooks.PACKAGE}.{name}"] for name in ("starlette", "flask"))
    by_route = ((module, "taken") for module in routers)
    over_asgi = (_asgi, "arrived_asgi"), (_asgi, "left"), (_asgi_request, "ended")
    over_wsgi = (_wsgi, "arrived_wsgi"), (_wsgi, "counted")
    for module, name in (*over_asgi, *over_wsgi, *by_route):
        if getattr(module, name) is not None:
            found.append(f"{module.__name__}:{name}")
    return found


def fastapi() -> FastAPI:
    """Answers, fails and streams."""
    app = FastAPI()
    router = APIRouter(prefix="/r")

    @router.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def pieces() -> Any:
            yield "data: 1\n\n"
            yield "event: x\ndata: 2\n\n"

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    app.add_api_websocket_route("/ws", ws)
    app.include_router(router)
    return app


def answers_of_asgi() -> list[Any]:
    """What a client of the application gets, path by path."""
    app = fastapi()
    got: list[Any] = []
    asked = [("/r/items/1", "GET"), ("/r/items/x", "GET"), ("/none", "GET"), ("/events", "GET")]
    for path, method in [*asked, ("/r/items/1", "HEAD")]:
        headers = [(b"x-request-start", b"t=1700000000")]
        got.append([dict(message) for message in run(app, path, method, headers=headers)])
    sent: list[Any] = []
    try:
        run(app, "/fail")
    except ValueError as error:
        sent.append(repr(error))
    messages = [{"type": "websocket.connect"}]
    for path in ("/ws", "/none"):
        got.append(asyncio.run(exchange(app, path=path, kind="websocket", messages=messages)))
    return [*got, sent]


def answers_of_wsgi() -> list[Any]:
    """The same of a Flask application."""
    app = flask.Flask("sabotaged")
    app.logger.disabled = True

    @app.get("/<name>")
    def hello(name: str) -> Any:
        if name == "fail":
            raise ValueError(name)
        if name == "events":
            return flask.Response(iter(["data: 1\n\n"]), mimetype="text/event-stream")
        return name

    @app.get("/file")
    def file() -> Any:
        wrapped = flask.request.environ["wsgi.file_wrapper"](io.BytesIO(b"file"))
        return flask.Response(wrapped, direct_passthrough=True)

    @app.post("/up")
    def up() -> str:
        return str(len(flask.request.get_data()))

    got = []
    gets = [(path, "GET") for path in ("/a", "/events", "/fail", "/file")]
    for path, method in [*gets, ("/a", "POST"), ("/b/c", "POST"), ("/up", "POST")]:
        sent = b"x" * 70_000 if method == "POST" else b""
        environ = {"wsgi.file_wrapper": FileWrapper}
        client = app.test_client()
        answer = client.open(path, method=method, data=sent, environ_overrides=environ)
        got.append((answer.status, list(answer.headers), answer.get_data()))
        answer.close()
    return got


def test_the_list_of_what_is_sabotaged_is_not_empty(numbers: Numbers) -> None:
    """Renaming a module must not quietly empty this suite."""
    names = reachable()

    assert len(names) > 60
    assert "monagent.conventions._exchange:Exchange.record" in names


@pytest.mark.parametrize("error", [ValueError, MemoryError, Bottom], ids=lambda kind: kind.__name__)
def test_answers_stay_the_same_whatever_fails(
    numbers: Numbers,
    swallowed: list[Any],
    error: type[BaseException],
) -> None:
    """Each function alone, and then all of them at once."""
    expected = (answers_of_asgi(), answers_of_wsgi())
    noticed = []
    for where in reachable():
        with pytest.MonkeyPatch.context() as patch:
            broken(patch, where, error)
            swallowed.clear()
            guard.forget()
            http.broken = False
            metrics.use(metrics.Recording())  # Everything is bound anew.
            assert (answers_of_asgi(), answers_of_wsgi()) == expected, where
            noticed.append(bool(swallowed))
    with pytest.MonkeyPatch.context() as patch:
        for where in reachable():
            broken(patch, where, error)
        assert (answers_of_asgi(), answers_of_wsgi()) == expected
    http.broken = False

    assert sum(noticed) > 25


def broken(patch: pytest.MonkeyPatch, where: str, error: type[BaseException]) -> None:
    """Makes one function raise."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error("sabotage")

    module, _, path = where.partition(":")
    owner: Any = sys.modules[module]
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    patch.setattr(owner, name, fail)


def test_what_keeps_failing_is_switched_off(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After that many failures nothing is tried any more; two lines were said."""
    broken(monkeypatch, "monagent.integrations._asgi:queued", RuntimeError)
    app = fastapi()
    for _ in range(guard.LIMIT + 10):
        stamp = [(b"x-request-start", b"t=1700000000")]
        assert run(app, "/r/items/1", headers=stamp)[0]["status"] == 200

    assert guard.counts["http"] == guard.LIMIT
    assert http.broken
    http.broken = False
    lines = capfd.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("monagent: http")]) == 2
