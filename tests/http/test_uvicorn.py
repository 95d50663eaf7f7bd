"""uvicorn as programs start it themselves: their objects stay theirs, and its own answers count."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from monagent.integrations import _asgi
from tests.http.conversations import Bottom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.numbers import Numbers


async def bare(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bare"})


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@contextmanager
def serving(app: Any, **settings: Any) -> Iterator[int]:
    """A server in a thread of this process; its port."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", **settings)
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def and_tell(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        started.set()

    server.startup = and_tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(30)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def ask(port: int, **headers: str) -> int:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/x", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_middleware_that_the_program_has_made_stays_as_it_is(numbers: Numbers) -> None:
    """Tests start a server each around one application: it would have a layer more each time."""
    app = ProxyHeadersMiddleware(bare, trusted_hosts="*")

    for _ in range(2):
        with serving(app) as port:
            assert ask(port) == 200
        assert app.app is bare

    assert numbers.counts() == {"GET unmatched 200": 2}


def test_a_framework_in_the_programs_middleware_is_told_the_right_scheme(numbers: Numbers) -> None:
    """It measures itself, behind what corrects the scheme."""
    inner = Starlette(routes=[Route("/x", hello)])
    app = ProxyHeadersMiddleware(inner, trusted_hosts="*")  # type: ignore[arg-type]  # looser types

    with serving(app, proxy_headers=False) as port:
        ask(port, **{"X-Forwarded-Proto": "https"})

    [facts] = [dict(key) for key in numbers.series("http.server.request.duration")]
    assert (facts["url.scheme"], facts["http.route"]) == ("https", "/x")


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_requests_that_uvicorn_turns_away_itself_count(http: Any, numbers: Numbers) -> None:
    """Above --limit-concurrency it answers 503, and the application never hears of it."""
    with serving(bare, limit_concurrency=1, http=http) as port:
        assert ask(port) == 503

    assert numbers.counts() == {"GET unmatched 503 503": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_configuration_shows_the_application_that_it_was_given(numbers: Numbers) -> None:
    """Who looks there, once uvicorn has loaded it, finds what hangs at it."""

    class Site:
        def __init__(self) -> None:
            self.state = {"name": "site"}

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await bare(scope, receive, send)

    site = Site()
    config = uvicorn.Config(site, log_config=None, proxy_headers=False)
    config.load()
    loaded: Any = config.loaded_app

    assert isinstance(loaded, Site)
    assert loaded == site
    assert loaded.state is site.state
    loaded.state = {}
    assert site.state == {}
    with serving(site) as port:
        assert ask(port) == 200
    assert numbers.counts() == {"GET unmatched 200": 1}


@pytest.mark.swallows
def test_what_fails_of_ours_there_leaves_the_application(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is served as it was given."""

    def fail(*_: Any) -> Any:
        raise Bottom

    monkeypatch.setattr(_asgi, "standing_in", fail)
    config = uvicorn.Config(bare, log_config=None, proxy_headers=False)
    config.load()
    assert config.loaded_app is bare
    with serving(bare) as port:
        assert ask(port) == 200
    assert numbers.counts() == {}
