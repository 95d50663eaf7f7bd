"""With a store in Redis: what was counted there is read off its own answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http_client.numbers import Numbers
from tests.ratelimit.deciding import decisions, near
from tests.services import redis


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server for all tests here."""
    with redis.server() as port:
        yield port


def test_a_fixed_window_in_redis_tells_who_is_close(port: int, numbers: Numbers) -> None:
    """By the answer to the script that adds to it, without a further command."""
    import limits
    from limits import storage, strategies

    store = storage.RedisStorage(f"redis://127.0.0.1:{port}")
    chosen = strategies.FixedWindowRateLimiter(store)
    limit = limits.parse("5/hour")
    answers = [chosen.hit(limit, "sync") for _ in range(4)]

    assert answers == [True] * 4
    assert (decisions(numbers), near(numbers)) == ({(None, "limits", "allowed"): 4}, {None: 1})


def test_a_store_that_is_gone_is_an_error_of_its_own(numbers: Numbers) -> None:
    """Neither allowed nor limited."""
    import limits
    from limits import storage, strategies

    store = storage.RedisStorage("redis://127.0.0.1:1")
    with pytest.raises(Exception, match="onnect"):
        strategies.FixedWindowRateLimiter(store).hit(limits.parse("5/hour"), "somebody")

    assert decisions(numbers) == {(None, "limits", "error"): 1}
