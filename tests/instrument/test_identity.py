"""What wrappers are made of: code, parameters and generators that pass for the original's."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import wrapt

from monagent.instrument import Call, Observed
from monagent.instrument.identity import giving_coroutines, pass_for, with_parameters_of
from monagent.instrument.watch import Watcher
from monagent.integrations import _database
from tests.launch.oracle import python


def around(_: Call) -> Observed:
    """Does nothing before and behind."""
    yield


def test_an_async_generator_left_open_is_closed_once_by_its_loop() -> None:
    """The loop knows of one generator, as before, and has nothing to complain of."""
    complaints: list[dict[str, Any]] = []
    left: list[Any] = []
    closed: list[str] = []

    async def slow() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)  # Here all that the loop closes are half closed.
            closed.append("slow")

    async def drive() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context)
        )
        made = Watcher("tests", around, False).wrapper_of(slow)
        for _ in range(4):  # A set of them is closed in any order.
            left.append(made())
            await left[-1].__anext__()

    asyncio.run(drive())

    assert complaints == []
    assert closed == ["slow"] * 4


def test_a_function_may_have_the_parameters_of_another_in_its_code() -> None:
    """Every kind of them, with their defaults, as those see who read code and no signature."""

    def first(
        a: Any, /, b: Any, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **more: Any
    ) -> Any: ...

    def second(a: Any, *, b: Any = 2) -> Any: ...

    def told(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    for original in (first, second):
        made = with_parameters_of(original, told)
        code, expected = made.__code__, original.__code__
        count = expected.co_argcount + expected.co_kwonlyargcount
        assert code.co_varnames[:count] == expected.co_varnames[:count]
        assert code.co_posonlyargcount == expected.co_posonlyargcount
        assert code.co_flags & 0x0C == expected.co_flags & 0x0C
        assert list(inspect.signature(made).parameters) == list(
            inspect.signature(original).parameters
        )

    made = with_parameters_of(first, told)
    assert made(1, 2, d=4) == ((1, 2, 3), {"d": 4, "e": 5})
    assert made(1, 2, 0, 7, d=4, e=6, f=8) == ((1, 2, 0, 7), {"d": 4, "e": 6, "f": 8})


ASKED = """
import asyncio, inspect, sys, types, warnings

from monagent.instrument.identity import giving_coroutines, pass_for


class Server:
    async def handle(self, scope: int, *, more: int = 0) -> int:
        await asyncio.sleep(0)
        if scope < 0:
            raise KeyError(scope)
        return scope + more


original, seen = Server.handle, []


def handle(self, scope, **rest):
    seen.append(scope)
    return original(self, scope, **rest)


Server.handle = made = pass_for(giving_coroutines(handle), original)


async def ask():
    server, total = Server(), 0
    for number in range(500):  # The interpreter specialises what it meets often.
        total += await server.handle(number, more=1)
    task = asyncio.create_task(server.handle(3))
    total += await task + sum(await asyncio.gather(server.handle(1), server.handle(2)))
    try:
        await server.handle(-1)
    except KeyError as error:
        total += error.args[0]
    return total


print(asyncio.run(ask()), len(seen))
print(inspect.iscoroutinefunction(made), type(made) is types.FunctionType)
print(made.__name__, made.__qualname__, inspect.signature(made))
coroutine = Server().handle(1)
print(type(coroutine).__name__, coroutine.__qualname__, inspect.getcoroutinestate(coroutine))
coroutine.close()
"""
"""A program that has a method of its own wrapped, and asks of it what frameworks ask."""


@pytest.mark.parametrize("minor", ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"])
def test_a_plain_function_passes_for_a_coroutine_function(minor: str) -> None:
    """Whoever asks hears it, and awaits what the original gives."""
    interpreter = python(minor)
    if interpreter is None:
        pytest.skip(f"no Python {minor} on this machine")
    path = {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    done = subprocess.run(
        [interpreter, "-W", "error", "-c", ASKED],
        env={**os.environ, **path}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{sum(range(500)) + 500 + 3 + 3 - 1} 504",
        "True True",
        "handle Server.handle (self, scope: int, *, more: int = 0) -> int",
        "coroutine Server.handle CORO_CREATED",
    ]


def test_the_coroutine_is_the_originals_own() -> None:
    """Since 3.11 nothing of ours stands between it and whoever awaits it."""

    async def original() -> int:
        return 7

    def around() -> Any:
        return original()

    made = pass_for(giving_coroutines(around), original)

    assert inspect.iscoroutinefunction(made)
    assert asyncio.run(made()) == 7


def test_what_acts_at_its_call_is_called_once() -> None:
    """Whether arguments fit is not tried on another agent's wrapper, nor on one of ours."""
    called: list[int] = []

    async def plain(value: int) -> int:
        return value

    @wrapt.decorator
    def counting(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        called.append(*args)
        return wrapped(*args, **kwargs)

    def acting(value: int) -> Any:
        called.append(value)
        return plain(value)

    def labels_of(*_: Any) -> Any:
        return None

    watched = Watcher("tested", around, False).wrapper_of(giving_coroutines(acting))
    measured = _database.measured("tested", counting(plain), labels_of)
    assert [asyncio.run(call) for call in (watched(1), measured(2))] == [1, 2]

    assert called == [1, 2]
