"""fastapi-limiter before 0.2, whose limiter is a script in Redis; `test_versions` runs this."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import httpx

from tests.http_client.numbers import Numbers
from tests.ratelimit.deciding import decisions
from tests.services import redis


def test_the_script_in_redis_decides_once_for_each_request(numbers: Numbers) -> None:
    """By the milliseconds that it says are to be waited."""
    from fastapi import Depends, FastAPI
    from redis.asyncio import Redis

    limiter: Any = import_module("fastapi_limiter").FastAPILimiter
    depends: Any = import_module("fastapi_limiter.depends")
    app = FastAPI()

    @app.get("/items/{item}", dependencies=[Depends(depends.RateLimiter(times=2, seconds=3600))])
    async def items(item: str) -> dict[str, str]:
        return {}

    async def ask(port: int) -> list[int]:
        await limiter.init(Redis(port=port))
        transport: Any = httpx.ASGITransport(app=app, client=("10.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            found = [(await client.get("/items/1")).status_code for _ in range(3)]
        await limiter.close()
        return found

    with redis.server() as port:
        assert asyncio.run(ask(port)) == [200, 200, 429]
    assert decisions(numbers) == {
        ("/items/{item}", "fastapi_limiter", "allowed"): 2,
        ("/items/{item}", "fastapi_limiter", "limited"): 1,
    }
