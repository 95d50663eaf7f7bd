"""FastAPI with slowapi: routes with limits of their own, one of them a plain function."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIMiddleware
from slowapi.util import get_remote_address


def made(**options: Any) -> FastAPI:
    """An application with a limiter of these options, and the middleware."""
    limiter = Limiter(key_func=get_remote_address, **options)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    app.add_middleware(SlowAPIMiddleware)

    @app.get("/items/{item}")
    @limiter.limit("3/hour;100/day")
    async def items(request: Request, response: Response, item: str) -> dict[str, str]:
        return {}

    @app.get("/plain")
    @limiter.limit("2/hour")
    def plain(request: Request, response: Response) -> dict[str, str]:
        return {}

    @app.get("/default/{item}")
    async def default(item: str) -> dict[str, str]:
        return {}

    return app
