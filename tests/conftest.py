"""What holds for every test: an error that monagent swallowed fails it.

A test that makes monagent fail on purpose carries the mark `swallows` and may look at `swallowed`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest

from monagent import guard, settings


@pytest.fixture(autouse=True)
def swallowed(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, BaseException]]]:
    """Component and error of everything that the guard kept from the application."""
    kept: list[tuple[str, BaseException]] = []
    guard.forget()
    guard.on_failure = lambda component, error: kept.append((component, error))
    yield kept
    guard.on_failure = None
    guard.forget()
    settings.use(None)
    if kept and request.node.get_closest_marker("swallows") is None:
        component, error = kept[0]
        told = "".join(traceback.format_exception(error))
        pytest.fail(f"{len(kept)} errors were swallowed, the first in {component}:\n{told}")
