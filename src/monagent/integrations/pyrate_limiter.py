"""pyrate-limiter: what fastapi-limiter asks it; that one counts the decision.

A program that calls it by itself mostly holds back its own calls with it, and refuses nobody.
"""

from __future__ import annotations

from monagent.conventions import ratelimit
from monagent.instrument import Library, replace
from monagent.integrations import _ratelimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "pyrate_limiter",
    distribution="pyrate-limiter",
    versions=">=4",
    records=("ratelimit",),
    covers="the decisions of fastapi-limiter",
)


@replace("pyrate_limiter.limiter", "Limiter.try_acquire_async")
def asked(original: Any) -> Any:
    async def try_acquire_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            allowed = await original(self, *args, **kwargs)
        except Exception:
            _ratelimit.answered("pyrate_limiter", ratelimit.ERROR)
            raise
        outcome = ratelimit.ALLOWED if allowed else ratelimit.LIMITED
        _ratelimit.answered("pyrate_limiter", outcome)
        return allowed

    return try_acquire_async
