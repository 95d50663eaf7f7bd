"""What holds for every test: an error that monagent swallowed fails it.

A test that makes monagent fail on purpose carries the mark `swallows` and may look at `swallowed`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

import pytest

from monagent import guard, settings
from monagent.store import shard
from tests import golden as goldens

# Who is begun in the background of a script ignores these, and so would the programs of tests.
for one, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(one) is signal.SIG_IGN:
        signal.signal(one, usual)

with contextlib.suppress(ImportError):  # Environments of older versions may do without it.
    from hypothesis import HealthCheck
    from hypothesis import settings as examples

    # A busy machine takes its time for each, and a run says the same of the same code.
    slow = [HealthCheck.too_slow]
    examples.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=slow)
    examples.load_profile("tests")

SIGNALS = [one for one in range(1, 32) if one not in (signal.SIGKILL, signal.SIGSTOP)]


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


@pytest.fixture(autouse=True)
def shards() -> Iterator[None]:
    """Closes what the test has left: a thousand tests would have no descriptors any more."""
    before = list(shard._shards)
    yield
    for one in list(shard._shards):
        if one not in before:
            one.close()


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    """A test may change what a process has one of: it is put back."""
    directory = os.getcwd()
    handlers = {one: signal.getsignal(one) for one in SIGNALS}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if os.getcwd() != directory:
        os.chdir(directory)
    for one, handler in handlers.items():
        if handler is not None and signal.getsignal(one) is not handler:
            signal.signal(one, handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """A WSGI body that a test has dropped unread tells so when it is collected: not in the next."""
    http = sys.modules.get("monagent.conventions.http")
    known = (
        []
        if http is None
        else [kind for kinds in http.arrivals.values() for kind in kinds.values()]
    )
    if any(mem[0][at] for mem, at in (kind.cell for kind in known)):
        gc.collect()


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option of our own."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/*.prom anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> goldens.Golden:
    """Holds an exposition against the one kept under a name; see `tests.golden`."""
    update = bool(request.config.getoption("--update-golden"))

    def check(name: str, read: Callable[[], str], *prefixes: str) -> None:
        goldens.check(name, read, prefixes, update, goldens.PATIENCE)

    return check
