"""What is kept of decisions, and of clients that are close to their limit."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from monagent.clock import monotonic
from monagent.conventions import ratelimit
from tests.http_client.numbers import Numbers


def near(numbers: Numbers) -> dict[str | None, float]:
    """Clients close to their limit by route, zeros included."""
    return {
        attributes.get("http.route"): cells[0]
        for attributes, cells in numbers.series("rate_limit.near_limit")
    }


def test_every_decision_exists_at_zero_with_the_first_one(numbers: Numbers) -> None:
    """So that the first refusal shows as an increase."""
    ratelimit.decided("slowapi", "/x", ratelimit.ALLOWED)

    decisions = {
        attributes["decision"]: cells[0]
        for attributes, cells in numbers.series("rate_limit.requests")
    }
    assert decisions == {"allowed": 1, "limited": 0, "error": 0}
    assert numbers.series("rate_limit.violations") == [({"http.route": "/x"}, [0.0])]


def test_a_refusal_is_a_violation_of_its_route(numbers: Numbers) -> None:
    """Whichever limiter refused; errors are none."""
    ratelimit.decided("slowapi", "/x", ratelimit.LIMITED)
    ratelimit.decided("limits", None, ratelimit.LIMITED)
    ratelimit.decided("limits", None, ratelimit.ERROR)

    assert numbers.values("rate_limit.violations", "http.route") == {("/x",): 1, (None,): 1}
    assert numbers.values("rate_limit.requests", "limiter", "decision") == {
        ("slowapi", "limited"): 1,
        ("limits", "limited"): 1,
        ("limits", "error"): 1,
    }


def test_a_client_is_near_from_four_fifths_on(numbers: Numbers) -> None:
    """Each client once, whatever limits it is close to."""
    ratelimit.used("/x", "a", "5/minute", 0.6, 60)
    assert near(numbers) == {"/x": 0}

    ratelimit.used("/x", "a", "5/minute", 0.8, 60)
    ratelimit.used("/x", "a", "9/hour", 1.0, 3600)
    ratelimit.used("/x", "b", "5/minute", 1.0, 60)
    assert near(numbers) == {"/x": 2}


def test_a_client_is_forgotten_when_it_is_far_from_each_limit_again(numbers: Numbers) -> None:
    """One of two limits is not enough."""
    ratelimit.used("/x", "a", "5/minute", 1.0, 60)
    ratelimit.used("/x", "a", "9/hour", 1.0, 3600)
    ratelimit.used("/x", "a", "5/minute", 0.2, 60)
    assert near(numbers) == {"/x": 1}

    ratelimit.used("/x", "a", "9/hour", 0.1, 3600)
    assert near(numbers) == {"/x": 0}


def test_a_client_is_forgotten_when_its_window_ends(numbers: Numbers) -> None:
    """Also when nobody asks about it any more."""
    ratelimit.used("/x", "a", "1/second", 1.0, 0.0)
    ratelimit.used("/x", "b", "5/minute", 1.0, 60.0)

    ratelimit.look()

    assert near(numbers) == {"/x": 1}


def test_a_client_that_is_forgotten_while_it_is_told_of_is_near_again(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows end in another thread, which may run between any two steps of this one."""

    class Limit:
        """Looked up, it lets the other thread run."""

        def __hash__(self) -> int:
            now()
            return 1

    def now() -> float:
        if others:
            others.pop()()
        return monotonic()

    monkeypatch.setattr(ratelimit, "monotonic", now)
    others: list[Callable[[], None]] = []
    limit = Limit()
    for steps in range(6):
        ratelimit.used("/x", "a", limit, 1.0, -1.0)
        others[:] = [ratelimit.look, *[lambda: None] * steps]
        ratelimit.used("/x", "a", limit, 1.0, 60.0)

        assert near(numbers) == {"/x": 1}
        ratelimit.used("/x", "a", limit, 0.0, 60.0)


def test_the_number_of_clients_kept_is_bounded(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses come from outside."""
    monkeypatch.setattr(ratelimit, "_MOST_CLIENTS", 3)
    for client in range(10):
        ratelimit.used("/x", client, "5/minute", 1.0, 60)

    assert near(numbers) == {"/x": 3}


def test_a_forked_child_begins_without_the_parents_clients(numbers: Numbers) -> None:
    """They count in the parent already."""
    ratelimit.used("/x", "a", "5/minute", 1.0, 60)
    child = os.fork()
    if not child:
        os._exit(len(ratelimit._near))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
