"""opentelemetry-instrument starts its program whatever of monagent fails beside it."""

from __future__ import annotations

from typing import Any

import pytest

from monagent import where
from monagent.integrations import opentelemetry

BOOTSTRAP = where.bootstrap()


@pytest.fixture(params=[ValueError, KeyError, OSError])
def failing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bootstrap lies cannot be told."""

    def fail() -> str:
        raise request.param

    monkeypatch.setenv("PYTHONPATH", f"/first:{BOOTSTRAP}")
    monkeypatch.setattr(where, "bootstrap", fail)


@pytest.mark.swallows
def test_the_program_is_executed_all_the_same(failing: None, swallowed: list[Any]) -> None:
    """With its arguments."""
    executed: list[tuple[str, ...]] = []

    def execl(*args: str) -> None:
        executed.append(args)

    opentelemetry.start(execl)("python", "python", "program.py")

    assert executed == [("python", "python", "program.py")]
    assert [component for component, _ in swallowed] == ["opentelemetry"]


@pytest.mark.swallows
def test_initialize_gives_and_raises_what_it_did(failing: None, swallowed: list[Any]) -> None:
    """Its own error is the only one that anybody sees."""

    def initialize(*, swallow_exceptions: bool) -> str:
        if not swallow_exceptions:
            raise RuntimeError("of the distro")
        return "ready"

    begun = opentelemetry.begin(initialize)

    assert begun(swallow_exceptions=True) == "ready"
    with pytest.raises(RuntimeError, match="of the distro"):
        begun(swallow_exceptions=False)
    assert [component for component, _ in swallowed] == ["opentelemetry"] * 2
