"""Quart: the rule that took the request, errors, streams, sockets."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import quart

from tests.http.asgi import Message, body_of, exchange, run, status
from tests.http.numbers import Numbers

pytestmark = pytest.mark.usefixtures("numbers")


def nested() -> Any:
    """An application with blueprints in blueprints, a class view, converters."""
    from quart.views import MethodView

    app = quart.Quart(__name__)
    inner, outer = quart.Blueprint("inner", __name__), quart.Blueprint("outer", __name__)

    @inner.get("/leaf/<int:leaf>/")
    async def leaf(leaf: int) -> str:
        return str(leaf)

    @inner.errorhandler(KeyError)
    async def handle(error: KeyError) -> tuple[str, int]:
        return "handled", 418

    @inner.get("/<kind>")
    async def fail(kind: str) -> str:
        raise {"value": ValueError(), "key": KeyError()}[kind]

    @inner.before_request
    async def stop() -> Any:
        return ("stopped", 429) if "stop" in quart.request.args else None

    class View(MethodView):
        async def get(self, x: str) -> str:
            return x

    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer, url_prefix="/outer")
    app.add_url_rule("/view/<path:x>", view_func=View.as_view("view"))
    app.add_url_rule("/sync/<x>", "sync", lambda x: x)
    return app


@pytest.mark.parametrize(
    ("path", "query", "recorded"),
    [
        ("/outer/inner/leaf/7/", b"", "GET /outer/inner/leaf/<int:leaf>/ 200"),
        ("/outer/inner/leaf/7/", b"stop", "GET /outer/inner/leaf/<int:leaf>/ 429"),
        ("/outer/inner/leaf/x/", b"", "GET unmatched 404"),
        ("/outer/inner/leaf/7", b"", "GET unmatched 308"),
        ("/outer/inner/value", b"", "GET /outer/inner/<kind> 500 ValueError"),
        ("/outer/inner/key", b"", "GET /outer/inner/<kind> 418"),
        ("/view/a/b", b"", "GET /view/<path:x> 200"),
        ("/sync/a", b"", "GET /sync/<x> 200"),
        ("/nothing", b"", "GET unmatched 404"),
    ],
)
def test_a_request_counts_by_its_rule(
    numbers: Numbers, path: str, query: bytes, recorded: str
) -> None:
    """Blueprints in blueprints, class views, plain functions, handled and unhandled errors."""
    run(nested(), path, query_string=query)

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_debugging_application_shows_or_raises_its_error_as_before(numbers: Numbers) -> None:
    """Quart makes a page of the traceback then, or hands it on, by its version."""
    app = nested()
    app.debug = True
    with contextlib.suppress(ValueError):
        assert b"ValueError" in body_of(run(app, "/outer/inner/value"))

    assert numbers.counts() == {"GET /outer/inner/<kind> 500 ValueError": 1}


def test_it_composes_with_what_it_is_mounted_in(numbers: Numbers) -> None:
    """Quart in Starlette counts once, by both parts of the route."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    app = Starlette(routes=[Mount("/legacy", nested())])
    assert body_of(run(app, "/legacy/sync/a")) == b"a"

    assert numbers.counts() == {"GET /legacy/sync/<x> 200": 1}


def test_events_are_a_stream_by_rule(numbers: Numbers) -> None:
    """An async generator as its body."""
    app = quart.Quart(__name__)

    @app.get("/events/<topic>")
    async def events(topic: str) -> Any:
        async def told() -> Any:
            yield b"event: tick\ndata: 1\n\n"
            yield b"event: tick\ndata: 2\n\n"

        return quart.Response(told(), content_type="text/event-stream")

    assert status(run(app, "/events/news")) == 200

    assert numbers.counts() == {}
    assert numbers.series("sse.events.sent") == {
        (("event", "tick"), ("http.route", "/events/<topic>")): [2.0]
    }
    assert numbers.total("sse.connections.active") == 0


def talk(app: Any, path: str, *messages: Message) -> list[Message]:
    """What an application answers to a client that says something on a socket and waits."""
    given = [{"type": "websocket.connect"}, *messages]
    return asyncio.run(exchange(app, path=path, kind="websocket", messages=given))


def test_sockets_count_by_rule_and_close(numbers: Numbers) -> None:
    """One closes with a code, one just ends, one is refused."""
    app = quart.Quart(__name__)

    @app.websocket("/echo/<room>")
    async def echo(room: str) -> None:
        await quart.websocket.send(await quart.websocket.receive())
        await quart.websocket.close(4002)

    @app.websocket("/once/<room>")
    async def once(room: str) -> None:
        await quart.websocket.send("once")

    @app.websocket("/refused/<room>")
    async def refused(room: str) -> None:
        quart.abort(403)

    said = {"type": "websocket.receive", "text": "hi"}
    answers = [talk(app, f"/{kind}/1", said) for kind in ("echo", "once", "refused")]

    assert [one[-1]["type"] for one in answers] == ["websocket.close"] * 3
    closed = {
        (dict(key)["http.route"], dict(key)["websocket.close.code"]): sum(cells[1:])
        for key, cells in numbers.series("websocket.connection.duration").items()
    }
    assert closed == {("/echo/<room>", "4002"): 1, ("/once/<room>", "1000"): 1}
    assert numbers.counts() == {"GET /refused/<room> 403": 1}
    assert numbers.total("websocket.connections.active") == 0


def test_sockets_whose_view_raises_say_what(numbers: Numbers) -> None:
    """Quart closes them with 1000, or answers their handshake with 500."""
    app = quart.Quart(__name__)

    @app.websocket("/late")
    async def late() -> None:
        await quart.websocket.receive()
        raise LookupError

    @app.websocket("/early")
    async def early() -> None:
        raise LookupError

    said = {"type": "websocket.receive", "text": "hi"}
    answers = [talk(app, path, said) for path in ("/late", "/early")]

    assert [one[-1]["type"] for one in answers] == ["websocket.close"] * 2
    [(key, cells)] = numbers.series("websocket.connection.duration").items()
    closed = {"http.route": "/late", "websocket.close.code": "1000", "error.type": "LookupError"}
    assert (dict(key), sum(cells[1:])) == (closed, 1)
    assert numbers.total("websocket.connections.active") == 0


def test_an_application_answers_as_without_us(numbers: Numbers) -> None:
    """Through its own test client, which makes requests without a server's scope."""

    async def ask() -> list[int]:
        app = nested()
        client = app.test_client()
        answers = [await client.get(path) for path in ("/sync/a", "/nothing")]
        async with app.test_request_context("/sync/a"):
            assert str(quart.request.url_rule) == "/sync/<x>"
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200, 404]
    assert numbers.counts() == {"GET /sync/<x> 200": 1, "GET unmatched 404": 1}


def test_a_method_that_a_rule_does_not_take_is_its_405(numbers: Numbers) -> None:
    """As one of that rule, whose error says which methods it takes."""
    sent = run(nested(), "/outer/inner/leaf/7/", "DELETE")

    assert status(sent) == 405
    assert numbers.counts() == {"DELETE /outer/inner/leaf/<int:leaf>/ 405": 1}
