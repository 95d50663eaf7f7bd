"""Whatever of ours fails, limiters decide as before."""

from __future__ import annotations

from typing import Any

import pytest

from monagent.conventions import ratelimit
from monagent.integrations import _ratelimit
from tests.http_client.numbers import Numbers
from tests.ratelimit import test_frameworks, test_limits


@pytest.mark.swallows
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (ratelimit, "decided"),
        (ratelimit, "used"),
        (_ratelimit, "begin"),
        (_ratelimit, "about"),
        (_ratelimit, "route_of"),
        (_ratelimit.Decision, "close"),
        (_ratelimit.Decision, "count"),
        (_ratelimit.Decision, "heard"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_sabotaged_agent_changes_no_decision(
    owner: Any,
    name: str,
    numbers: Numbers,
    monkeypatch: pytest.MonkeyPatch,
    swallowed: list[Any],
) -> None:
    """Of a framework's limiter and of a bare one."""
    import limits

    def broken(*_: Any, **__: Any) -> Any:
        raise MemoryError("sabotage")

    monkeypatch.setattr(owner, name, broken)
    client = test_frameworks.flask_app(headers_enabled=True).test_client()
    bare = test_limits.strategy("FixedWindowRateLimiter", False)

    assert [client.get("/items/1").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    assert [bare.hit(limits.parse("2/hour"), "x") for _ in range(3)] == [True, True, False]
    assert swallowed
    _ratelimit.current.set(None)  # A decision that could not be closed is no other test's.
