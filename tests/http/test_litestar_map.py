"""Litestar's map of routes: what an application has put there is found there."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar, asgi, get

from monagent.integrations import litestar
from tests.http.asgi import run, status
from tests.http.conversations import Bottom
from tests.http.numbers import Numbers

# Newer versions deprecate what the oldest that we test needs.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Letting:
    """A middleware that lets everybody pass."""

    name = "letting"

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    """An application that another one has at a path."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_who_walks_through_it_finds_the_middleware(numbers: Numbers) -> None:
    """The application's own objects, each around the next, as its tests look for them."""

    @get("/things", middleware=[Letting])
    async def things() -> str:
        return "all"

    app = Litestar([things], openapi_config=None, logging_config=None)
    found = app.asgi_router.root_route_map_node.children["/things"].asgi_handlers["GET"].asgi_app

    assert isinstance(found, Letting)
    assert found.name == "letting"
    assert callable(found.app)
    assert status(run(app, "/things")) == 200
    assert numbers.counts() == {"GET /things 200": 1}


@pytest.mark.swallows
def test_what_fails_of_ours_there_leaves_the_stack(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests are answered, and count without their route."""

    def fail(*_: Any, **__: Any) -> Any:
        raise Bottom

    @get("/things")
    async def things() -> str:
        return "all"

    monkeypatch.setattr(litestar, "standing_in", fail)
    app = Litestar([things], openapi_config=None, logging_config=None)

    assert status(run(app, "/things")) == 200
    assert numbers.counts() == {"GET unmatched 200": 1}


def test_and_what_is_mounted(numbers: Numbers) -> None:
    """With the middleware around it; its requests have the mount's path."""
    handler = asgi("/files", is_mount=True, middleware=[Letting])(mounted)
    app = Litestar([handler], openapi_config=None, logging_config=None)
    found = app.asgi_router.root_route_map_node.children["/files"].asgi_handlers["asgi"].asgi_app

    assert isinstance(found, Letting)
    assert status(run(app, "/files/a")) == 200
    assert numbers.counts() == {"GET /files 200": 1}
