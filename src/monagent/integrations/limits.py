"""limits: every hit of a limit, sync and asyncio, and the clients that are close to theirs.

How much of a limit is used is read where the library says it anyway: off the count that a fixed
window adds to, off window statistics that somebody asks for, off a refusal. The store is asked
nothing more, since each question may be a round trip.
"""

from __future__ import annotations

from contextvars import ContextVar

from monagent.clock import time
from monagent.conventions import ratelimit
from monagent.instrument import Library, replace
from monagent.instrument.targets import replace_override
from monagent.integrations import _ratelimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "limits",
    versions=">=2.8",
    records=("ratelimit",),
    covers="decisions of its strategies, sync and asyncio, and clients close to their limit",
)

_counted: ContextVar[list[Any] | None] = ContextVar("monagent.limits", default=None)
"""Where a store's `incr` leaves its key and the count, for the `hit` that called it."""

_stores: dict[type, bool] = {}  # Those whose `incr` was seen to.


@replace("limits.strategies", "FixedWindowRateLimiter.hit")
@replace("limits.strategies", "FixedWindowElasticExpiryRateLimiter.hit", optional=True)  # until 4
@replace("limits.strategies", "MovingWindowRateLimiter.hit")
@replace("limits.strategies", "SlidingWindowCounterRateLimiter.hit", optional=True)  # from 4.1 on
@replace("limits.strategies", "FixedWindowRateLimiter.test")
@replace("limits.strategies", "MovingWindowRateLimiter.test")
@replace("limits.strategies", "SlidingWindowCounterRateLimiter.test", optional=True)
def question(original: Any) -> Any:
    tests = original.__name__ == "test"

    def hit(self: Any, item: Any, *client: Any, **options: Any) -> Any:
        asked = None
        try:
            asked = Question(self.storage, item, client, tests, store)
        except BaseException as error:
            failed(error)
        try:
            allowed = original(self, item, *client, **options)
        except Exception:
            if asked is not None:
                asked.broke()
            raise
        if asked is not None:
            asked.answered(allowed)
        return allowed

    return hit


@replace("limits.aio.strategies", "FixedWindowRateLimiter.hit", optional=True)
@replace("limits.aio.strategies", "FixedWindowElasticExpiryRateLimiter.hit", optional=True)
@replace("limits.aio.strategies", "MovingWindowRateLimiter.hit", optional=True)
@replace("limits.aio.strategies", "SlidingWindowCounterRateLimiter.hit", optional=True)
@replace("limits.aio.strategies", "FixedWindowRateLimiter.test", optional=True)
@replace("limits.aio.strategies", "MovingWindowRateLimiter.test", optional=True)
@replace("limits.aio.strategies", "SlidingWindowCounterRateLimiter.test", optional=True)
def async_question(original: Any) -> Any:
    tests = original.__name__ == "test"

    async def hit(self: Any, item: Any, *client: Any, **options: Any) -> Any:
        asked = None
        try:
            asked = Question(self.storage, item, client, tests, async_store)
        except BaseException as error:
            failed(error)
        try:
            allowed = await original(self, item, *client, **options)
        except Exception:
            if asked is not None:
                asked.broke()
            raise
        if asked is not None:
            asked.answered(allowed)
        return allowed

    return hit


@replace("limits.strategies", "FixedWindowRateLimiter.get_window_stats")
@replace("limits.strategies", "MovingWindowRateLimiter.get_window_stats")
@replace("limits.strategies", "SlidingWindowCounterRateLimiter.get_window_stats", optional=True)
def statistics(original: Any) -> Any:
    def get_window_stats(self: Any, item: Any, *client: Any) -> Any:
        found = original(self, item, *client)
        try:
            told(item, client, found)
        except BaseException as error:
            failed(error)
        return found

    return get_window_stats


@replace("limits.aio.strategies", "FixedWindowRateLimiter.get_window_stats", optional=True)
@replace("limits.aio.strategies", "MovingWindowRateLimiter.get_window_stats", optional=True)
@replace("limits.aio.strategies", "SlidingWindowCounterRateLimiter.get_window_stats", optional=True)
def async_statistics(original: Any) -> Any:
    async def get_window_stats(self: Any, item: Any, *client: Any) -> Any:
        found = await original(self, item, *client)
        try:
            told(item, client, found)
        except BaseException as error:
            failed(error)
        return found

    return get_window_stats


class Question:
    """A strategy is asked about a client and one limit; `_count` gets key and count, if told."""

    __slots__ = ("_client", "_count", "_decision", "_item", "_storage", "_tests")

    def __init__(self, storage: Any, item: Any, client: Any, tests: bool, make: Any) -> None:
        self._storage = storage
        self._item = item
        self._client = client
        self._tests = tests
        kind = storage.__class__  # Not its type: old versions hold a weak proxy.
        if kind not in _stores:
            see_to(kind, make)
        decision = self._decision = _ratelimit.about(client)
        if decision is not None and decision.open and len(decision.asked) < _MOST_ASKED:
            decision.asked.append(client)
        self._count: list[Any] = []
        _counted.set(self._count)

    def answered(self, allowed: Any) -> None:
        """The strategy has decided."""
        try:
            _counted.set(None)
            self._decided(ratelimit.ALLOWED if allowed else ratelimit.LIMITED)
            item, count = self._item, self._count
            if count:
                seconds = window(self._storage, item, count[0])
                used(self._decision, item, self._client, taken_of(item, count[1]), seconds)
            elif not allowed:
                used(self._decision, item, self._client, 1.0, item.get_expiry())
        except BaseException as error:
            failed(error)

    def broke(self) -> None:
        """It could not."""
        try:
            _counted.set(None)
            self._decided(ratelimit.ERROR)
        except BaseException as error:
            failed(error)

    def _decided(self, outcome: str) -> None:
        decision = self._decision
        if decision is not None:
            if decision.open:
                decision.heard(outcome)
        elif not self._tests:
            ratelimit.decided("limits", None, outcome)


def told(item: Any, client: tuple[Any, ...], found: tuple[float, int]) -> None:
    """Somebody was told when the window ends, and how much remains."""
    end, remaining = found
    taken = taken_of(item, item.amount - remaining)
    used(_ratelimit.about(client), item, client, taken, end - time())


def used(
    decision: _ratelimit.Decision | None,
    item: Any,
    client: tuple[Any, ...],
    share: float,
    seconds: float,
) -> None:
    route = None if decision is None else decision.route
    try:
        hash(client)
    except TypeError:  # limits makes text of whatever it is given.
        client = tuple(map(str, client))
    ratelimit.used(route, client, item, share, seconds)


def taken_of(item: Any, count: float) -> float:
    """How much of a limit so many hits are; one of nothing, "0 per day", is always used up."""
    return count / item.amount if item.amount else 1.0


def window(storage: Any, item: Any, key: Any) -> float:
    """Seconds to the end of a window: what a store in memory knows, at most the whole of it."""
    whole = float(item.get_expiry())
    ends = getattr(storage, "expirations", None)
    if type(ends) is dict and key in ends:
        return min(whole, float(ends[key]) - time())
    return whole


def see_to(kind: type, make: Any) -> None:
    """From here on, stores of this kind tell what they count."""
    _stores[kind] = True
    for owner in kind.__mro__:
        if "incr" in vars(owner):
            replace_override(owner, "incr", make)
            break


def store(original: Any) -> Any:
    def incr(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        count = original(self, key, *args, **kwargs)
        told_to = _counted.get()
        if told_to is not None:
            told_to[:] = key, count
        return count

    return incr


def async_store(original: Any) -> Any:
    async def incr(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        count = await original(self, key, *args, **kwargs)
        told_to = _counted.get()
        if told_to is not None:
            told_to[:] = key, count
        return count

    return incr


def failed(error: BaseException) -> None:
    _ratelimit.failed("limits", error)


_MOST_ASKED = 20
