"""slowapi, Flask-Limiter and fastapi-limiter: one decision for each request, by its route."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.ratelimit.deciding import decisions, near, violations


def statuses(app: Any, *paths: str) -> list[int]:
    """What an ASGI application answers."""
    import httpx

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=app, client=("10.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return [(await client.get(path)).status_code for path in paths]

    return asyncio.run(ask())


def slowapi_app(headers: bool, **options: Any) -> Any:
    """Where slowapi is installed."""
    from tests.ratelimit.apps import with_slowapi

    return with_slowapi.made(headers_enabled=headers, **options)


@pytest.mark.parametrize("headers", [False, True])
def test_slowapi_decides_once_for_each_request(headers: bool, numbers: Numbers) -> None:
    """However many limits apply, and whether or not headers tell what remains."""
    app = slowapi_app(headers)

    assert statuses(app, *["/items/1"] * 5) == [200] * 3 + [429] * 2
    assert statuses(app, *["/plain"] * 2) == [200] * 2
    assert decisions(numbers) == {
        ("/items/{item}", "slowapi", "allowed"): 3,
        ("/items/{item}", "slowapi", "limited"): 2,
        ("/plain", "slowapi", "allowed"): 2,
    }
    assert violations(numbers) == {"/items/{item}": 2}
    assert near(numbers) == {"/items/{item}": 1, "/plain": 1}


def test_slowapis_middleware_decides_for_the_route_to_come(numbers: Numbers) -> None:
    """Before the router has seen the request."""
    app = slowapi_app(False, default_limits=["2/hour"])

    assert statuses(app, *["/default/7"] * 3) == [200, 200, 429]
    assert decisions(numbers) == {
        ("/default/{item}", "slowapi", "allowed"): 2,
        ("/default/{item}", "slowapi", "limited"): 1,
    }


def flask_app(**options: Any) -> Any:
    """Routes with and without limits of their own."""
    from flask import Flask
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    app = Flask("limited")
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", **options)

    @app.get("/items/<item>")
    @limiter.limit("3 per hour; 100 per day")
    def items(item: str) -> str:
        return item

    @app.get("/costly")
    @limiter.limit("2/hour", deduct_when=lambda response: response.status_code == 200)
    def costly() -> str:
        return ""

    @app.get("/default")
    def default() -> str:
        return ""

    return app


@pytest.mark.parametrize("headers", [False, True])
def test_flask_limiter_decides_once_for_each_request(headers: bool, numbers: Numbers) -> None:
    """By limits for all routes and by a route's own together."""
    client = flask_app(headers_enabled=headers, application_limits=["50/hour"]).test_client()

    assert [client.get("/items/1").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    assert client.get("/default").status_code == 200
    assert decisions(numbers) == {
        ("/items/<item>", "flask_limiter", "allowed"): 3,
        ("/items/<item>", "flask_limiter", "limited"): 2,
        ("/default", "flask_limiter", "allowed"): 1,
    }
    assert violations(numbers) == {"/items/<item>": 2}
    assert near(numbers) == {"/items/<item>": 1, "/default": 0}


def test_what_flask_limiter_deducts_afterwards_is_no_decision(numbers: Numbers) -> None:
    """It was tested before the view, and is taken off when the response is there."""
    client = flask_app().test_client()

    assert [client.get("/costly").status_code for _ in range(3)] == [200, 200, 429]
    assert decisions(numbers) == {
        ("/costly", "flask_limiter", "allowed"): 2,
        ("/costly", "flask_limiter", "limited"): 1,
    }


def test_a_request_without_limits_is_no_decision(numbers: Numbers) -> None:
    """Nobody was asked."""
    assert flask_app().test_client().get("/default").status_code == 200
    assert statuses(slowapi_app(False), "/default/7") == [200]
    assert decisions(numbers) == {}


def test_fastapi_limiter_decides_once_for_each_request(numbers: Numbers) -> None:
    """By pyrate-limiter, from 0.2 on."""
    from fastapi import Depends, FastAPI
    from fastapi_limiter.depends import RateLimiter

    pyrate = pytest.importorskip("pyrate_limiter")
    app = FastAPI()
    limiter = RateLimiter(pyrate.Limiter(pyrate.Rate(2, 3_600_000)))
    free = RateLimiter(pyrate.Limiter(pyrate.Rate(9, 3_600_000)))

    @app.get("/items/{item}", dependencies=[Depends(limiter)])
    async def items(item: str) -> dict[str, str]:
        return {}

    @app.get("/free", dependencies=[Depends(free)])
    async def second() -> dict[str, str]:
        return {}

    assert statuses(app, *["/items/1"] * 3, "/free") == [200, 200, 429, 200]
    assert decisions(numbers) == {
        ("/items/{item}", "fastapi_limiter", "allowed"): 2,
        ("/items/{item}", "fastapi_limiter", "limited"): 1,
        ("/free", "fastapi_limiter", "allowed"): 1,
    }
