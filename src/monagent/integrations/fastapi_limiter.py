"""fastapi-limiter: every request that one of its dependencies decides about.

Until 0.1 a script in Redis decides, from 0.2 on pyrate-limiter; neither tells how much of a limit
is left.
"""

from __future__ import annotations

from monagent.conventions import ratelimit
from monagent.instrument import Library, replace
from monagent.integrations import _ratelimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "fastapi_limiter",
    distribution="fastapi-limiter",
    versions=">=0.1.5",
    records=("ratelimit",),
    needs=("pyrate_limiter",),
    covers="requests and WebSocket messages checked by its dependencies",
)


@replace("fastapi_limiter.depends", "RateLimiter.__call__")
@replace("fastapi_limiter.depends", "WebSocketRateLimiter.__call__")
def dependency(original: Any) -> Any:
    async def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        decision = None
        try:
            # FastAPI gives all arguments by name.
            connection = args[0] if args else kwargs.get("request") or kwargs["ws"]
            route = _ratelimit.route_of(connection.scope)
            decision = _ratelimit.begin("fastapi_limiter", route)
        except BaseException as error:
            failed(error)
        try:
            return await original(self, *args, **kwargs)
        finally:
            try:
                if decision is not None:
                    decision.end()
            except BaseException as error:
                failed(error)

    return __call__


@replace("fastapi_limiter.depends", "RateLimiter._check", optional=True)  # until 0.1
@replace("fastapi_limiter.depends", "WebSocketRateLimiter._check", optional=True)
def asked_redis(original: Any) -> Any:
    async def _check(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            milliseconds = await original(self, *args, **kwargs)
        except Exception:
            _ratelimit.answered("fastapi_limiter", ratelimit.ERROR)
            raise
        outcome = ratelimit.LIMITED if milliseconds else ratelimit.ALLOWED
        _ratelimit.answered("fastapi_limiter", outcome)
        return milliseconds

    return _check


def failed(error: BaseException) -> None:
    _ratelimit.failed("fastapi_limiter", error)
