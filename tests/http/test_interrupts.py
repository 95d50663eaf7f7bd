"""What a signal's handler raises while a request is recorded is the program's, and arrives."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response

from monagent import guard
from monagent.integrations import _asgi
from monagent.metrics.pulse import checks, due
from tests.http.asgi import scope
from tests.http.numbers import Numbers
from tests.http.wsgi import get

stream = Flask(__name__)
stream.add_url_rule("/", view_func=lambda: Response(piece for piece in (b"a", b"b")))


class Late(Exception):
    """A time limit of the program's own."""


@pytest.fixture(params=[KeyboardInterrupt, SystemExit, Late])
def raised(request: pytest.FixtureRequest) -> Iterator[type]:
    """What a signal makes the program raise, from within the next look at the surroundings."""

    def handler(number: int, _: Any) -> None:
        checks.clear()
        raise request.param(number)

    others, before = list(checks), signal.signal(signal.SIGUSR1, handler)
    checks[:] = [lambda: signal.raise_signal(signal.SIGUSR1)]
    yield request.param
    signal.signal(signal.SIGUSR1, before)
    checks[:] = others


def asked(ask: Any) -> None:
    """One request, after which the program goes on."""
    ask()
    looked()


def looked() -> None:
    """Where a function begins, at the latest, Python looks whether there is a signal."""


def over_wsgi() -> None:
    """One request, whose last byte is gone when its body has been read."""
    get(stream, "/", SERVER_SOFTWARE="server")


def over_asgi() -> None:
    """One request, driven without a loop, which would have its own way with exceptions."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ab"})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        pass

    coroutine: Any = _asgi.measured(app)(scope(), receive, send)
    try:
        coroutine.send(None)
    except StopIteration:
        pass


@pytest.mark.parametrize("ask", [over_wsgi, over_asgi])
def test_it_reaches_the_program(ask: Any, raised: type[BaseException], numbers: Numbers) -> None:
    """With the place that it was raised at, and the request counted."""
    due[0] = float("inf")
    ask()
    failures = dict(guard.counts)
    due[0] = 0.0
    with pytest.raises(raised) as caught:
        asked(ask)
    ask()

    assert caught.value.args == (signal.SIGUSR1,)
    assert "handler" in [entry.name for entry in caught.traceback]
    assert guard.counts == failures
    assert sum(numbers.counts().values()) == 3
    assert numbers.total("http.server.active_requests") == 0
