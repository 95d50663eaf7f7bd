"""limits by itself: one decision for each hit, and what it says of clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.ratelimit.deciding import decisions, near, violations

STRATEGIES = (
    "FixedWindowRateLimiter",
    "MovingWindowRateLimiter",
    "SlidingWindowCounterRateLimiter",
)


def strategy(name: str, asynchronous: bool) -> Any:
    """One over a store in memory; skips what this version does not have."""
    if asynchronous:
        from limits.aio import storage, strategies
    else:
        from limits import storage, strategies  # type: ignore[no-redef]
    if not hasattr(strategies, name):
        pytest.skip(f"this version of limits has no {name}")
    store = storage.MemoryStorage()
    made = getattr(strategies, name)(store)
    made.kept = store  # Old versions hold it weakly.
    return made


def called(strategy: Any, method: str, *args: Any) -> Any:
    """The method's result, whichever kind it is of."""
    found = getattr(strategy, method)(*args)
    if not asyncio.iscoroutine(found):
        return found

    async def waiting() -> Any:
        return await found

    return asyncio.run(waiting())


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_hit_is_a_decision(name: str, asynchronous: bool, numbers: Numbers) -> None:
    """Of each strategy; what is only tested or read is none."""
    import limits

    chosen = strategy(name, asynchronous)
    limit = limits.parse("5/hour")
    answers = [called(chosen, "hit", limit, "somebody") for _ in range(7)]
    called(chosen, "test", limit, "somebody")
    called(chosen, "get_window_stats", limit, "somebody")

    assert answers == [True] * 5 + [False] * 2
    assert decisions(numbers) == {(None, "limits", "allowed"): 5, (None, "limits", "limited"): 2}
    assert violations(numbers) == {None: 2}
    assert near(numbers) == {None: 1}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])
def test_a_fixed_window_tells_who_is_close_without_being_asked(
    asynchronous: bool, numbers: Numbers
) -> None:
    """By the count that its store returns."""
    import limits

    chosen = strategy("FixedWindowRateLimiter", asynchronous)
    limit = limits.parse("5/hour")
    for client, hits in {"far": 3, "close": 4, "out": 5}.items():
        for _ in range(hits):
            called(chosen, "hit", limit, client)

    assert near(numbers) == {None: 2}


def test_a_client_may_be_told_by_anything_that_has_a_text(numbers: Numbers) -> None:
    """As limits itself takes it, a list for instance."""
    import limits

    chosen = strategy("FixedWindowRateLimiter", False)
    limit = limits.parse("1/hour")

    assert [chosen.hit(limit, ["tenant", 7]) for _ in range(2)] == [True, False]
    assert near(numbers) == {None: 1}


def test_a_client_is_close_until_its_window_begins_anew(numbers: Numbers) -> None:
    """The next hit tells."""
    import limits

    chosen = strategy("FixedWindowRateLimiter", False)
    limit = limits.parse("2/hour")
    for _ in range(2):
        chosen.hit(limit, "somebody")
    assert near(numbers) == {None: 1}

    chosen.clear(limit, "somebody")
    chosen.hit(limit, "somebody")
    assert near(numbers) == {None: 0}


def test_window_statistics_that_somebody_asks_for_tell_too(numbers: Numbers) -> None:
    """A moving window says nothing otherwise."""
    import limits

    chosen = strategy("MovingWindowRateLimiter", False)
    limit = limits.parse("5/hour")
    for _ in range(4):
        chosen.hit(limit, "somebody")
    before = near(numbers)
    chosen.get_window_stats(limit, "somebody")

    assert (before, near(numbers)) == ({}, {None: 1})


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_limit_of_nothing_is_always_used_up(name: str, numbers: Numbers) -> None:
    """With "0 per day" an endpoint is closed, but by the moving windows of limits before 3."""
    import limits

    chosen = strategy(name, False)
    limit = limits.parse("0 per day")
    decision = "allowed" if chosen.hit(limit, "somebody") else "limited"
    chosen.get_window_stats(limit, "somebody")

    assert decisions(numbers) == {(None, "limits", decision): 1}
    assert near(numbers) == {None: 1}


def test_a_store_that_fails_decides_nothing(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is the application's as before, and counts as one."""
    import limits

    chosen = strategy("FixedWindowRateLimiter", False)

    def broken(*_: object, **__: object) -> None:
        raise ConnectionError("no store")

    monkeypatch.setattr(type(chosen.kept), "incr", broken)
    with pytest.raises(ConnectionError, match="no store"):
        chosen.hit(limits.parse("5/hour"), "somebody")

    assert decisions(numbers) == {(None, "limits", "error"): 1}
