"""Watched calls: one generator around functions, coroutines, generators and async generators."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import sys
import types
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from monagent import guard
from monagent.instrument import Call, Observed
from monagent.instrument.targets import Target
from monagent.instrument.watch import Watcher

SEEN: list[Any] = []


class Boom(Exception):
    """The application's own."""


class Bottom(BaseException):
    """Not even an Exception."""


def double(value: int, *, twice: bool = False) -> int:
    """Doubles."""
    if value < 0:
        raise Boom(value)
    return value * (4 if twice else 2)


async def double_later(value: int) -> int:
    """Doubles after a turn of the loop."""
    await asyncio.sleep(0)
    return double(value)


def handed_on(value: int) -> Any:
    """A plain function that returns a coroutine."""
    return double_later(value)


def countdown(value: int) -> Iterator[int]:
    """Counts down."""
    while value:
        told: int | None = yield value
        value = value - 1 if told is None else told
    return "done"  # type: ignore[return-value]


async def countdown_later(value: int) -> AsyncIterator[int]:
    """Counts down, asynchronously."""
    while value:
        try:
            told = yield value
        except Boom:
            told = 10
        value = told or value - 1


class Thing:
    """Has methods of all kinds."""

    def method(self, value: int) -> int:
        """Of the instance."""
        return value

    @classmethod
    def of_class(cls, value: int) -> tuple[type, int]:
        """Of the class."""
        return cls, value

    @staticmethod
    def static(value: int) -> int:
        """Of nobody."""
        return value


class Child(Thing):
    """Inherits and overrides."""

    def method(self, value: int) -> int:
        """Calls the parent's."""
        return super().method(value) + 1


FUNCTIONS = ["double", "double_later", "countdown", "countdown_later"]


def look(call: Call) -> Observed:
    """Writes down what it sees."""
    SEEN.append(("begin", call.instance, call.args, call.kwargs))
    try:
        result = yield
    except BaseException as error:
        SEEN.append(("raised", error))
        raise
    SEEN.append(("end", result))


@pytest.fixture
def watching() -> Iterator[Callable[..., None]]:
    """Watches names of this module, by `look` unless told otherwise."""
    SEEN.clear()
    applied: list[Target] = []
    module = types.ModuleType("watched")
    module.__dict__.update(globals())

    def apply(path: str, body: Any = look) -> Any:
        watcher = Watcher("tested", body, "." in path)
        target = Target("tested", __name__, path, watcher.wrapper_of, "look", False)
        assert target.apply(__import__("sys").modules[__name__])
        applied.append(target)

    yield apply
    for target in reversed(applied):
        target.undo()


def test_a_function_is_seen_with_its_arguments_and_its_result(watching: Any) -> None:
    """Arguments as given, the result as returned."""
    watching("double")

    assert double(3, twice=True) == 12
    assert SEEN == [("begin", None, (3,), {"twice": True}), ("end", 12)]


def test_an_exception_passes_with_its_identity_and_its_tail(watching: Any) -> None:
    """The same object, raised from the same innermost line."""
    watching("double")

    with pytest.raises(Boom) as caught:
        double(-1)

    assert SEEN[-1] == ("raised", caught.value)
    assert caught.value.__context__ is None
    assert caught.traceback[-1].name == "double"


def test_a_coroutine_is_seen_until_it_is_awaited_to_its_end(watching: Any) -> None:
    """Also one that a plain function hands on."""
    watching("double_later")
    assert asyncio.run(double_later(2)) == 4
    assert [step[0] for step in SEEN] == ["begin", "end"]

    SEEN.clear()
    watching("handed_on", look)
    assert asyncio.run(handed_on(2)) == 4
    assert SEEN[-1] == ("end", 4)


def test_a_generator_ends_with_its_last_item(watching: Any) -> None:
    """What is sent into it arrives, and what it returns is seen."""
    watching("countdown")
    items: Any = countdown(3)
    assert [next(items), items.send(2), next(items)] == [3, 2, 1]
    with pytest.raises(StopIteration) as stop:
        next(items)

    assert stop.value.value == "done"
    assert SEEN[-1] == ("end", "done")


def test_an_async_generator_keeps_asend_athrow_and_aclose(watching: Any) -> None:
    """Each reaches the application's generator, and the end is seen."""

    async def drive() -> list[int]:
        items: Any = countdown_later(3)
        got = [await items.__anext__(), await items.asend(5), await items.athrow(Boom())]
        await items.aclose()
        return got

    watching("countdown_later")

    assert asyncio.run(drive()) == [3, 5, 10]
    assert [step[0] for step in SEEN] == ["begin", "raised"]
    assert isinstance(SEEN[-1][1], GeneratorExit)


def test_methods_tell_their_instance(watching: Any) -> None:
    """The instance, the class, or nobody."""
    watching("Thing.method")
    watching("Thing.of_class")
    watching("Thing.static")
    thing = Child()

    assert thing.method(1) == 2
    assert Child.of_class(1) == (Child, 1)
    assert Thing.static(1) == 1
    begun = [step[1:3] for step in SEEN if step[0] == "begin"]
    assert begun[:2] == [(thing, (1,)), (Child, (1,))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_watched_callable_passes_for_the_original(watching: Any, name: str) -> None:
    """Type, kind, signature, names, docs, hints, pickle, copy: all as before."""

    def facts(function: Any) -> list[Any]:
        return [
            type(function),
            isinstance(function, types.FunctionType),
            inspect.signature(function),
            inspect.getfullargspec(function),
            inspect.iscoroutinefunction(function),
            inspect.isasyncgenfunction(function),
            inspect.isgeneratorfunction(function),
            (function.__name__, function.__qualname__, function.__module__, function.__doc__),
            function.__annotations__,
            inspect.getsource(function),
            inspect.signature(mock.create_autospec(function)),
        ]

    before = facts(globals()[name])
    watching(name)
    after = globals()[name]

    assert facts(after) == before
    assert pickle.loads(pickle.dumps(after)) is after
    assert copy.copy(after) is after
    assert copy.deepcopy(after) is after


def test_undoing_puts_the_original_back(watching: Any) -> None:
    """Functions, and methods in their own wrapping."""
    originals = {name: globals()[name] for name in FUNCTIONS}
    hung = dict(vars(Thing))
    target = Target(
        "tested", __name__, "Thing.of_class", Watcher("t", look, True).wrapper_of, "", False
    )
    target.apply(__import__("sys").modules[__name__])
    target.undo()

    assert vars(Thing)["of_class"] is hung["of_class"]
    assert {name: globals()[name] for name in FUNCTIONS} == originals


@pytest.mark.swallows
@pytest.mark.parametrize("error", [ValueError, MemoryError, Bottom], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", ["before", "after", "instead", "twice"])
def test_a_failing_body_changes_nothing(
    watching: Any, swallowed: list[Any], where: str, error: type[BaseException]
) -> None:
    """The original is called exactly once, whatever the body raises and wherever."""
    calls = []

    def body(call: Call) -> Observed:
        if where == "before":
            raise error
        try:
            yield
        except Boom:
            if where == "instead":
                raise error from None
            raise
        if where == "after":
            raise error
        if where == "twice":
            yield

    def counted(value: int) -> int:
        calls.append(value)
        return double(value)

    wrapper = Watcher("tested", body, False).wrapper_of(counted)

    assert wrapper(4) == 8
    with pytest.raises(Boom):
        wrapper(-4)
    assert calls == [4, -4]
    assert [component for component, _ in swallowed] == ["tested"] * len(swallowed)
    assert swallowed


@pytest.mark.swallows
def test_a_body_that_keeps_failing_is_taken_off(watching: Any, swallowed: list[Any]) -> None:
    """After LIMIT failures the original hangs where it hung before."""
    from monagent.instrument import targets

    def body(call: Call) -> Observed:
        raise ValueError
        yield

    original = double
    watcher = Watcher("tested", body, False)
    target = Target("tested", __name__, "double", watcher.wrapper_of, "body", False)
    targets.add(target)
    target.apply(__import__("sys").modules[__name__])
    try:
        for _ in range(guard.LIMIT + 5):
            assert double(1) == 2
    finally:
        targets.targets.pop("tested").clear()

    assert double is original
    assert len(swallowed) == guard.LIMIT


def test_a_body_may_decline(watching: Any) -> None:
    """Returning before the `yield` leaves the call unseen."""

    def body(call: Call) -> Observed:
        if call.args[0] > 1:
            return
        yield

    watching("double", body)

    assert [double(1), double(2)] == [2, 4]


def test_a_stop_iteration_of_the_application_passes(watching: Any) -> None:
    """It is an exception like any other to a function."""

    def stops() -> None:
        raise StopIteration(7)

    wrapper = Watcher("tested", look, False).wrapper_of(stops)

    with pytest.raises(StopIteration) as caught:
        wrapper()
    assert caught.value.value == 7


@pytest.mark.skipif(sys.version_info < (3, 11), reason="functions begin by their code's flag there")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_arguments_are_refused_at_the_call(watching: Any, name: str) -> None:
    """As without us, in the same words; right ones in every form are not."""

    def told(*args: Any, **kwargs: Any) -> str:
        with pytest.raises(TypeError) as caught:
            globals()[name](*args, **kwargs)
        return str(caught.value)

    wrong: list[Any] = [((), {}), ((1, 2), {}), ((1,), {"other": 1}), ((1,), {"value": 1})]
    expected = [told(*args, **kwargs) for args, kwargs in wrong]
    watching(name)

    assert [told(*args, **kwargs) for args, kwargs in wrong] == expected
    for made in (globals()[name](1), globals()[name](value=1)):
        if hasattr(made, "close"):
            made.close()


def test_a_coroutine_that_is_never_awaited_warns_once_and_by_its_name(watching: Any) -> None:
    """Ours makes no second one that warns."""
    watching("double_later")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        double_later(1)  # type: ignore[unused-coroutine]  # as it is meant
        double_later(value=1)  # type: ignore[unused-coroutine]  # as it is meant
        gc.collect()

    expected = "coroutine 'double_later' was never awaited"
    assert [str(one.message) for one in caught] == [expected] * 2


def test_what_is_made_bears_the_names_of_the_original(watching: Any) -> None:
    """Coroutines and generators are told apart by them in logs."""
    for name in FUNCTIONS[1:]:
        made = globals()[name](1)
        before = (type(made), made.__name__, made.__qualname__)
        watching(name)
        again = globals()[name](1)
        assert (type(again), again.__name__, again.__qualname__) == before
        if hasattr(made, "close"):
            made.close()
            again.close()
