"""The time that a request waited in front of the server, by a proxy's stamp."""

from __future__ import annotations

from typing import Any

import pytest

from monagent.conventions import http
from monagent.integrations import _asgi
from monagent.integrations._asgi import measured
from tests.http.asgi import run
from tests.http.numbers import Numbers

NAME = "http.server.request.queue.duration"
STAMP = [(b"x-request-start", b"t=1700000000")]


async def hello(_scope: Any, receive: Any, send: Any) -> None:
    """Answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize(
    ("stamp", "waited"),
    [("t={0:.6f}", 0.5), ("{0:.3f}", 0.5), ("{1:.0f}", 0.5), ("{2:.0f}", 0.5), ("{3:.0f}", 0.5)],
    ids=["t=seconds", "seconds", "milliseconds", "microseconds", "nanoseconds"],
)
def test_queue_time_is_read_in_every_unit(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, stamp: str, waited: float
) -> None:
    """As nginx, Heroku, and others write it."""
    now = 1_700_000_000.5
    monkeypatch.setattr(http, "time", lambda: now)
    since = now - waited
    header = stamp.format(since, since * 1e3, since * 1e6, since * 1e9)
    run(measured(hello), headers=[(b"x-request-start", header.encode())])

    assert numbers.total("http.server.request.queue.duration") == pytest.approx(waited, abs=1e-3)


@pytest.mark.parametrize("stamp", ["soon", "inf", "nan", "-5", "0", "12", "9e99", "\xff"])
def test_nonsense_is_no_queue_time(numbers: Numbers, stamp: str) -> None:
    """The header comes from outside."""
    run(measured(hello), headers=[(b"x-queue-start", stamp.encode("latin-1"))])

    assert numbers.series("http.server.request.queue.duration") == {}


def test_a_clock_that_is_ahead_is_no_negative_time(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's clock need not be ours."""
    monkeypatch.setattr(http, "time", lambda: 1_700_000_000.0)
    run(measured(hello), headers=[(b"x-request-start", b"t=1700000003")])

    assert numbers.total("http.server.request.queue.duration") == 0


def test_who_has_seen_no_stamp_for_long_looks_less_often_until_one_comes(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the next eight is found at the latest, and every one from there on."""
    monkeypatch.setattr(http, "time", lambda: 1_700_000_001.0)
    monkeypatch.setattr(_asgi, "look", [_asgi.looks(5)])
    app = measured(hello)
    for _ in range(6):
        run(app)
    while not numbers.counts(NAME):
        run(app, headers=STAMP)
    found = numbers.counts()["GET unmatched 200"] - 6
    for _ in range(20):
        run(app, headers=STAMP)

    assert 1 <= found <= 8
    assert sum(numbers.counts(NAME).values()) == 21
