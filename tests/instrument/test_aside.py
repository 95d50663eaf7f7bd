"""What a watched library warns of is told of the application, as if no wrapper stood between."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable

import pytest

from monagent.instrument import Call, Observed
from monagent.instrument.targets import Target
from monagent.instrument.watch import Watcher


def complain(text: str) -> None:
    """Warns its caller."""
    warnings.warn(text, DeprecationWarning, stacklevel=2)


async def complain_later(text: str) -> None:
    """Warns whoever awaits it."""
    warnings.warn(text, DeprecationWarning, stacklevel=2)


def soon() -> None:
    """Calls the one."""
    complain("soon")


def late() -> None:
    """Awaits the other."""

    async def awaiting() -> None:
        await complain_later("late")

    asyncio.run(awaiting())


def look(call: Call) -> Observed:
    """Sees a call, and does nothing."""
    yield


def lines(call: Callable[[], None]) -> list[tuple[str, int]]:
    """Where a warning is said to come from."""
    with pytest.warns(DeprecationWarning, match="soon|late") as caught:
        call()
    return [(warning.filename, warning.lineno) for warning in caught]


@pytest.mark.parametrize(("name", "call"), [("complain", soon), ("complain_later", late)])
def test_a_warning_is_told_of_whoever_calls(name: str, call: Callable[[], None]) -> None:
    """By file and line, as filters and `python` without an option look at it."""
    bare = lines(call)
    watcher = Watcher("tested", look, False)
    target = Target("tested", __name__, name, watcher.wrapper_of, "look", False)
    assert target.apply(sys.modules[__name__])
    try:
        watched = lines(call)
    finally:
        target.undo()

    assert watched == bare
    assert bare[0][0] == __file__
