"""WebSockets that a WSGI application accepts with simple-websocket, as flask-sock does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from monagent.conventions import http, realtime
from tests.http_client.numbers import Numbers
from tests.ports import free_port

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

ROUTE = "/echo/<name>"
REQUESTS = "http.server.request.duration"
ACTIVE = "websocket.connections.active"
DURATION = "websocket.connection.duration"


@pytest.fixture
def during() -> list[tuple[float, float]]:
    """Connections and requests that were active while a connection was."""
    return []


@pytest.fixture
def address(numbers: Numbers, during: list[tuple[float, float]]) -> Iterator[str]:
    """Of a Flask application under werkzeug's server."""
    import flask
    import simple_websocket
    from werkzeug.serving import make_server

    app = flask.Flask("site")

    @app.route(ROUTE, websocket=True)
    def echo(name: str) -> Any:
        socket = simple_websocket.Server.accept(flask.request.environ)
        during.append((active(numbers), numbers.total("http.server.active_requests")))
        try:
            while (message := socket.receive()) != "bye":
                if message in ("fail", "fall through"):
                    app.config["PROPAGATE_EXCEPTIONS"] = message == "fall through"
                    raise LookupError
                socket.send(message)
            socket.close(4001)
        except simple_websocket.ConnectionClosed:
            pass
        return flask.Response(b"")

    port = free_port()
    running = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"ws://127.0.0.1:{port}/echo/a"
    running.shutdown()
    thread.join(30)
    running.server_close()


def until(true: Any) -> None:
    """Wait until it is, at most half a minute."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def active(numbers: Numbers) -> float:
    """Connections that are open."""
    return numbers.values(ACTIVE, "http.route").get((ROUTE,), 0)


def ended(numbers: Numbers) -> list[str]:
    """Codes of the connections that are over."""
    return [
        series["websocket.close.code"]
        for series, cells in numbers.series(DURATION)
        if series["http.route"] == ROUTE and sum(cells[1:])
    ]


def messages_of(numbers: Numbers) -> dict[tuple[str, str], float]:
    """Messages by route and direction."""
    return numbers.values("websocket.messages", "http.route", "direction")


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("bye", "4001"),
        ("close", "4002"),
        ("leave", "1006"),
        ("fail", "1006"),
        ("fall through", "1006"),
    ],
)
def test_a_websocket_is_a_connection_and_no_request(
    last: str, code: str, address: str, during: list[tuple[float, float]], numbers: Numbers
) -> None:
    """Closed by the application, by its client, by nobody, or by an error."""
    import simple_websocket

    client = simple_websocket.Client.connect(address)
    client.send("hello")
    assert client.receive(30) == "hello"
    if last == "close":
        client.close(4002)
    elif last == "leave":
        client.sock.shutdown(2)
    else:
        client.send(last)
    until(lambda: ended(numbers))
    until(lambda: (ROUTE, "sent") in messages_of(numbers))  # The client may be the first to know.

    messages = messages_of(numbers)
    assert messages[ROUTE, "received"] == 1 + (last not in ("close", "leave"))
    assert messages[ROUTE, "sent"] == 1
    assert ended(numbers) == [code]
    failed = [dict(series).get("error.type") for series, _ in numbers.series(DURATION)]
    assert failed == ["LookupError" if last.startswith("f") else None]
    assert during == [(1, 0)]
    assert active(numbers) == 0
    assert numbers.series(REQUESTS) == []
    assert numbers.total("http.server.active_requests") == 0


def test_what_is_no_handshake_stays_a_request(address: str, numbers: Numbers) -> None:
    """It is answered by an error, and that counts."""
    import urllib.error
    import urllib.request

    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    asked = urllib.request.Request(address.replace("ws", "http", 1), headers=headers)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(asked, timeout=30)

    until(lambda: sum(sum(cells[1:]) for _, cells in numbers.series(REQUESTS)))
    assert ended(numbers) == []
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.swallows
@pytest.mark.parametrize("name", ["__init__", "received", "sent", "ended"])
def test_a_sabotaged_agent_changes_no_conversation(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch, swallowed: list[Any]
) -> None:
    """Echo and close."""
    import simple_websocket

    def broken(*_: Any, **__: Any) -> Any:
        raise MemoryError("sabotage")

    monkeypatch.setattr(realtime.Connection, name, broken)
    client = simple_websocket.Client.connect(address)
    client.send("hello")
    assert client.receive(30) == "hello"
    client.send("bye")
    with pytest.raises(simple_websocket.ConnectionClosed):
        client.receive(30)

    assert client.close_reason == 4001
    until(lambda: swallowed)
    assert swallowed
    http.broken = False
