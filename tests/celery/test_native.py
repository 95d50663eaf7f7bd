"""The part in C does for attempts what the part in Python does, and leaves nothing behind."""

from __future__ import annotations

import gc
import random
import sys
from typing import Any

import pytest

from monagent.conventions import _sent, jobs
from monagent.integrations import _celery_attempts as attempts
from monagent.metrics.pulse import due, pulse
from monagent.native import part
from tests.celery.attempted import Request, taken
from tests.parts import compiled, left, needed, on_every_minor, told


@compiled
@on_every_minor
def test_both_parts_do_the_same(minor: str) -> None:
    """Messages of all manners, plain and odd: each attempt and every series is the same."""
    in_c = told("tests.celery.attempted", 3000, minor)

    assert len(in_c["told"]) > 1500


@needed
def test_attempts_leave_nothing_behind() -> None:
    """No object of ours lives on, and what all attempts share is held as often as before."""
    request = Request(random.Random(2))
    request._type, request._eta = "tasks.kept", None
    request._delivery_info = {"exchange": "", "routing_key": "celery", "redelivered": False}

    def work(times: int) -> tuple[int, ...]:
        for _ in range(times):
            request._request_dict = {"properties": {"message_id": _sent.stamped(_sent.BOOT)}}
            attempt = taken(request)
            lane = attempt._lane
            if not attempts.begun(attempt, 1.5, _sent.BOOT, attempts.running):
                attempt.begin(1.5)
            shared = (attempts.running, attempts.last, due, pulse)
            if not attempts.decided(attempt, jobs.SUCCESS, 0.5, *shared):
                attempt.end(jobs.SUCCESS, 0.5)
        del attempt
        gc.collect()
        return (
            sum(type(one) is attempts.Attempt for one in gc.get_objects()),
            sys.getrefcount(lane), sys.getrefcount(attempts.Attempt), sys.getrefcount(_sent.BOOT),
            sys.getrefcount(lane._ends[jobs.SUCCESS]), sys.getrefcount(lane._waited),
            sys.getrefcount(request._delivery_info), sys.getrefcount(request._app),
        )  # fmt: skip

    before = work(10)

    assert left(before, work(500), 500) == []


@needed
def test_what_is_no_attempt_is_handed_back_or_refused() -> None:
    """Whatever is given, it is no crash."""
    shared = (attempts.running, attempts.last, due, pulse)
    empty: Any = attempts.Attempt.__new__(attempts.Attempt)
    for odd in (None, 1, "text", object(), empty, {}, jobs.Lane.__new__(jobs.Lane)):
        assert part.attempt_begun(odd, 1.0, "boot", attempts.running) is False
        assert part.decided(odd, jobs.SUCCESS, 1.0, *shared) is False
        for at in range(9):
            given: list[Any] = [attempts.Attempt, {}, [], "b", object(), {}, "t", None, {}]
            given[at] = odd
            try:
                assert part.attempted(*given) is None
            except TypeError:
                assert at < 4
    for wrong in ((), (1,), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7)):
        for function in (part.attempted, part.attempt_begun, part.decided, part.stamp):
            with pytest.raises(TypeError):
                function(*wrong)
