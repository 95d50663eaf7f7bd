"""What stands for an application's coroutine in C looks as that one, and ends as it does."""

from __future__ import annotations

import asyncio
import inspect
import sys
import warnings
from types import coroutine
from typing import Any

import pytest

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.integrations import _asgi
from monagent.native import part
from tests.http.asgi import scope
from tests.http.numbers import Numbers
from tests.parts import needed

stands = pytest.mark.skipif(sys.version_info < (3, 11), reason="it is a coroutine of ours there")


@coroutine
def pause() -> Any:
    """Has who drives the coroutine wait."""
    return (yield "paused")


class Application:
    """Answers after a pause, and keeps what it got."""

    def __init__(self) -> None:
        self.resumed: list[Any] = []
        self.own: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.own is not None:
            self.own.send(None)
        self.resumed.append(await pause())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


async def nobody(*_: Any) -> Any:
    """Takes whatever is sent."""


def asked(application: Application, of: Any = None) -> Any:
    """What one request gives that is not the first of its kind."""
    measured = _asgi.measured(application)
    if not http.arrivals.get("http"):
        list(measured(scope(method="GET"), nobody, nobody).__await__())
        application.resumed.clear()
    return measured(scope() if of is None else of, nobody, nobody)


@needed
@stands
def test_who_looks_sees_the_applications_coroutine(numbers: Numbers) -> None:
    """By its class, its name, its frame, and its representation."""
    answer = asked(Application())

    assert (inspect.iscoroutine(answer), asyncio.iscoroutine(answer)) == (True, True)
    assert (answer.__name__, answer.__qualname__) == ("__call__", "Application.__call__")
    assert repr(answer).startswith("<coroutine object Application.__call__ at ")
    assert answer.send(None) == "paused"
    assert answer.cr_frame.f_code is Application.__call__.__code__
    assert inspect.getcoroutinestate(answer) == inspect.CORO_SUSPENDED
    answer.close()
    assert inspect.getcoroutinestate(answer) == inspect.CORO_CLOSED


@needed
def test_what_nobody_awaits_has_never_arrived(numbers: Numbers) -> None:
    """It is warned of as without monagent, and is not one of the active requests."""
    application = Application()
    server_says = scope()

    with pytest.warns(RuntimeWarning, match="__call__' was never awaited"):
        asked(application, server_says)

    assert KEY not in server_says and application.resumed == []
    assert numbers.counts() == {"GET unmatched 200": 1}
    assert [list(cells) for cells in numbers.series("http.server.active_requests").values()] == [
        [0]
    ]


@needed
@stands
def test_one_that_runs_cannot_be_resumed(numbers: Numbers) -> None:
    """It says so as a coroutine does, and goes on."""
    application = Application()
    answer = asked(application)
    application.own = answer

    with pytest.raises(ValueError, match="coroutine already executing"):
        answer.send(None)

    assert numbers.counts() == {"GET unmatched 200": 1, "GET unmatched 500 ValueError": 1}


@needed
def test_values_go_in_and_results_come_out(numbers: Numbers) -> None:
    """As of any coroutine; the request is recorded once, and the scope knows it no more."""
    application = Application()
    server_says = scope()
    answer = asked(application, server_says)

    assert answer.send(None) == "paused" and KEY in server_says
    with pytest.raises(StopIteration):
        answer.send("value")
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        answer.send(None)

    assert application.resumed == ["value"] and KEY not in server_says
    assert numbers.counts() == {"GET unmatched 200": 2}


@needed
@stands
@pytest.mark.swallows
def test_what_fails_of_ours_changes_no_answer(numbers: Numbers, swallowed: list[Any]) -> None:
    """Neither what the application returns nor what it raises; the guard is told."""

    def fails(*_: Any) -> Any:
        raise LookupError

    async def silent(scope: Any, receive: Any, send: Any) -> Any:
        return "result"

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("its own")

    asked(Application()).close()
    part.served_by(fails, _asgi.awaiting)
    try:
        with pytest.raises(StopIteration, match="result"):
            _asgi.measured(silent)(scope(), nobody, nobody).send(None)  # type: ignore[attr-defined]
        with pytest.raises(KeyError, match="its own") as raised:
            _asgi.measured(broken)(scope(), nobody, nobody).send(None)  # type: ignore[attr-defined]
    finally:
        part.served_by(_asgi.over, _asgi.awaiting)

    assert raised.value.__context__ is None
    assert [type(error) for _, error in swallowed] == [LookupError, LookupError]


@needed
@stands
def test_warnings_are_told_of_who_awaits_the_application(numbers: Numbers) -> None:
    """Of plain requests, of the first of its kind, and where something else is awaited."""

    async def warns(scope: Any, receive: Any, send: Any) -> None:
        warnings.warn("stand back", stacklevel=2)

    class Waiting:
        def __await__(self) -> Any:
            return warns(None, None, None).__await__()

    async def awaits(application: Any) -> None:
        await _asgi.measured(application)(scope(), nobody, nobody)

    for application in (warns, warns, lambda *_: Waiting()):
        with pytest.warns(UserWarning, match="stand back") as caught:
            asyncio.run(awaits(application))
        assert [one.filename for one in caught] == [__file__]
