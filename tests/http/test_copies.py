"""Applications copy and pickle the scope or environ of a request: they get what they would get."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from monagent.conventions._exchange import KEY
from monagent.integrations import _asgi, _wsgi
from tests.http.asgi import run
from tests.http.numbers import Numbers
from tests.http.test_wsgi import call

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "dict": dict,
}


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_scope_is_of_the_same_request(how: str, numbers: Numbers) -> None:
    """The route that is found in the copy is the request's; it counts once."""
    routes = [Mount("/api", routes=[Route("/{name}", hello)])]
    inner = Starlette(routes=routes)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        # A deep copy of Starlette's own state is beyond it, with or without us.
        await inner(COPIES[how](scope), receive, send)

    sent = run(_asgi.measured(app), path="/api/x")

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert numbers.counts() == {"GET /api/{name} 200": 1}


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_environ_is_of_the_same_request(how: str, numbers: Numbers) -> None:
    """What is said of the copy is said of the request."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        COPIES[how](environ)[KEY].routed("/found")
        start_response("200 OK", [])
        return [b"hello"]

    assert call(_wsgi.measured(app)) == ("200 OK", b"hello")
    assert numbers.counts() == {"GET /found 200": 1}


def test_a_pickled_scope_is_read_where_monagent_is_not(numbers: Numbers) -> None:
    """By a program of a pool, say."""
    pickled = b""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal pickled
        pickled = pickle.dumps(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    run(_asgi.measured(app), path="/kept")

    reads = "import pickle, sys; print(pickle.load(sys.stdin.buffer)['path'])"
    command = [sys.executable, "-I", "-S", "-c", reads]
    read = subprocess.run(command, input=pickled, capture_output=True, check=True)
    assert read.stdout == b"/kept\n"
    assert numbers.counts() == {"GET unmatched 200": 1}
