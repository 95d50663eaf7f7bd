"""What wrappers are made of: code, parameters and generators that pass for the original's."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from monagent.instrument import Call, Observed
from monagent.instrument.identity import with_parameters_of
from monagent.instrument.watch import Watcher


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
