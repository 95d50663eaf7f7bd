"""sse-starlette: its streams are counted as any stream of events, by the route of the application.

There is no integration of its own: what it sends passes the ASGI layer.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.e2e.command import until
from tests.http.numbers import Numbers
from tests.ports import free_port

ROUTE = "/ticks/{n:int}"


async def ticks(request: Request) -> EventSourceResponse:
    """So many events, two of them of a kind; then an exception, if asked for."""

    async def events() -> AsyncIterator[Any]:
        for n in range(request.path_params["n"]):
            yield ServerSentEvent(data=json.dumps(n), event="tick" if n < 2 else None)
        if "raise" in request.query_params:
            raise ValueError("of the application")
        if "wait" in request.query_params:
            await asyncio.sleep(60)

    return EventSourceResponse(events(), ping=0.05 if "ping" in request.query_params else 15)


@pytest.fixture
def url(numbers: Numbers) -> Iterator[str]:
    """Of a server."""
    app = Starlette(routes=[Route(ROUTE, ticks)])
    port = free_port()
    config = uvicorn.Config(app, port=port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


def facts(numbers: Numbers, name: str) -> dict[tuple[Any, ...], int]:
    """Values, or counts of a histogram, by the values of all labels; without zeros."""
    found = {
        tuple(value for _, value in sorted(labels)): int(sum(cells[1:]) if cells[1:] else cells[0])
        for labels, cells in numbers.series(name).items()
    }
    return {key: value for key, value in found.items() if value}


def eventually(numbers: Numbers) -> None:
    """Wait until the server has seen the end of every stream."""
    until(lambda: bool(facts(numbers, "sse.connection.duration")), "the end of the stream", 30)
    assert facts(numbers, "sse.connections.active") == {}


def test_events_count_by_name_and_the_stream_is_no_request(url: str, numbers: Numbers) -> None:
    """Its lifetime stays out of the latencies."""
    assert httpx.get(f"{url}/ticks/5", timeout=30).text.count("data:") == 5
    eventually(numbers)

    assert facts(numbers, "sse.events.sent") == {("tick", ROUTE): 2, ("message", ROUTE): 3}
    assert facts(numbers, "sse.connection.duration") == {(ROUTE,): 1}
    assert facts(numbers, "sse.connections.active") == {}
    assert numbers.counts() == {}
    assert numbers.total("http.server.active_requests") == 0


def test_pings_are_no_events(url: str, numbers: Numbers) -> None:
    """They are comments. The client leaves in the middle, and that is told."""
    with httpx.stream("GET", f"{url}/ticks/1?wait=1&ping=1", timeout=30) as answer:
        lines = answer.iter_lines()
        while not next(lines).startswith(": ping"):
            pass
        assert facts(numbers, "sse.connections.active") == {(ROUTE,): 1}
    eventually(numbers)

    assert facts(numbers, "sse.events.sent") == {("tick", ROUTE): 1}
    assert facts(numbers, "sse.connection.duration") == {("client_disconnected", ROUTE): 1}
    assert numbers.counts() == {}


def test_a_stream_that_breaks_tells_why(url: str, numbers: Numbers) -> None:
    """The exception is the application's own, or the group of a library that runs tasks."""
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/ticks/1?raise=1", timeout=30)
    eventually(numbers)

    [(error, route)] = facts(numbers, "sse.connection.duration")
    assert route == ROUTE
    assert error in ("ValueError", "ExceptionGroup")
    assert facts(numbers, "sse.connections.active") == {}
