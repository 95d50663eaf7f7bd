"""Streams of Starlette that break, whatever middleware makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from monagent.integrations import starlette
from tests.http.asgi import run
from tests.http.conversations import Bottom
from tests.http.numbers import Numbers


async def passing(request: Request, following: Any) -> Any:
    return await following(request)


def pieces() -> Iterator[bytes]:
    yield b"x"
    raise ValueError


async def later() -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece


def application(kind: Any) -> Starlette:
    """With a route that streams, and a handler of what it raises."""

    async def endpoint(_: Request) -> StreamingResponse:
        return StreamingResponse(kind())

    async def handled(_: Request, __: Exception) -> PlainTextResponse:
        return PlainTextResponse("wrong", 400)

    return Starlette(
        routes=[Route("/", endpoint)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=passing)],
        exception_handlers={ValueError: handled},
    )


def sent(app: Any) -> list[Any]:
    """What the client gets of a stream after which the application raises."""
    got: list[Any] = []

    async def collecting(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            got.append(message)
            await send(message)

        with pytest.raises(RuntimeError):
            await app(scope, receive, sending)

    run(collecting, "/")
    return got


@pytest.mark.parametrize("kind", [pieces, later])
def test_one_that_breaks_carries_its_exception(kind: Any, numbers: Numbers) -> None:
    """Though the client gets an end: Starlette's own middleware sees to that."""
    messages = sent(application(kind))

    assert messages[-1].get("more_body", False) is False
    assert numbers.counts() == {"GET / 200 ValueError": 1}


@pytest.mark.swallows
def test_whatever_of_ours_fails_the_client_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even an Exception of ours is the application's."""
    expected = sent(application(pieces))

    def fail(*_: Any) -> Any:
        raise Bottom

    monkeypatch.setattr(starlette, "broken", fail)
    assert sent(application(pieces)) == expected
