"""The guard swallows what is ours and nothing else, says little, and gives up on what keeps on."""

from __future__ import annotations

import functools
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monagent import guard
from monagent.instrument.identity import step_aside
from monagent.metrics.pulse import checks, pulse
from tests.launch import oracle

pytestmark = pytest.mark.swallows


class Exotic(BaseException):
    """No Exception: `except Exception` lets it through."""


class Mute(Exception):
    """An error whose text raises."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The guard's time, in a list to be set."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def swallow(work: Callable[[], object], component: str = "part") -> None:
    try:
        work()
    except BaseException as caught:
        guard.failed(component, caught)


def fail(component: str, error: BaseException) -> None:
    def work() -> None:
        raise error

    swallow(work, component)


@pytest.mark.parametrize(
    "error", [ValueError("x"), MemoryError(), Exotic(), Mute(), OSError(1, "y")]
)
def test_an_error_of_ours_is_counted_and_goes_no_further(
    error: BaseException, swallowed: list[tuple[str, BaseException]]
) -> None:
    """Whatever its class, also when its text cannot be had."""
    fail("part", error)

    assert guard.counts == {"part": 1}
    assert swallowed == [("part", error)]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_exits_pass_untouched(error: BaseException) -> None:
    """Ctrl-C hits between any two instructions, ours too; it is the program's."""
    with pytest.raises(type(error)) as caught:
        fail("part", error)

    assert caught.value is error
    assert guard.counts == {}


def test_an_error_that_a_signal_handler_raised_passes() -> None:
    """Timeouts made of signals are the application's, wherever they strike."""

    class Timeout(Exception):
        pass

    def handler(*_: object) -> None:
        raise Timeout

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Timeout):
            swallow(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert guard.counts == {}


class Late(Exception):
    """A timeout of the application's."""


class Alarm:
    """A handler that is no function."""

    def __call__(self, *_: object) -> None:
        raise Late


def once(number: int, _: object) -> None:
    """A handler that is none any more when it raises."""
    signal.signal(number, signal.SIG_DFL)
    raise Late


@pytest.mark.parametrize("handler", [functools.partial(Alarm(), 1), Alarm(), once])
def test_any_kind_of_handler_may_raise(handler: Callable[[int, object], None]) -> None:
    """It need not be a function, nor be the handler still."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Late):
            swallow(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert guard.counts == {}


def test_what_another_thread_has_sent_passes(tmp_path: Path) -> None:
    """Timeouts of threads strike anywhere, in our lines too, and are the application's."""
    text = """
        import ctypes, logging, threading, time
        class Late(Exception): pass
        log = logging.getLogger("x")
        log.addHandler(logging.NullHandler())
        log.propagate = False
        log.warning("once")
        def work(inside):
            try:
                inside.set()
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    log.warning("x")
                print("lost")
            except Late:
                pass
        for attempt in range(300):
            inside = threading.Event()
            thread = threading.Thread(target=work, args=(inside,))
            thread.start()
            inside.wait()
            time.sleep(0.001 + attempt / 1_000_000)
            ident = ctypes.c_ulong(thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Late))
            thread.join()
    """
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(text))

    assert oracle.run(oracle.ENV, [sys.executable, str(program)]) == oracle.Outcome(0, b"", b"")


def test_a_failing_sink_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting the error as a metric may fail as well."""

    def sink(component: str, error: BaseException) -> None:
        raise Exotic

    monkeypatch.setattr(guard, "on_failure", sink)

    fail("part", ValueError("x"))

    assert guard.counts == {"part": 1}


def test_one_line_a_minute(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    """However many components fail how often."""
    for _ in range(5):
        fail("one", ValueError("x"))
        fail("two", ValueError("x"))
    first = capfd.readouterr().err
    clock[0] += 61
    fail("two", ValueError("y"))
    second = capfd.readouterr().err

    assert first.startswith("monagent: one failed, the application goes on: ValueError: x (")
    assert second.startswith("monagent: two failed, the application goes on: ValueError: y (")
    assert (first.count("\n"), second.count("\n")) == (1, 1)


def test_what_keeps_failing_is_switched_off_and_says_so(
    clock: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    """Only that component, and only for failures within one window."""
    for _ in range(guard.LIMIT - 1):
        fail("often", ValueError("x"))
    before = guard.off("often")
    fail("often", ValueError("x"))
    for _ in range(guard.LIMIT - 1):
        fail("seldom", ValueError("x"))
        clock[0] += guard.WINDOW / 2
    lines = [line for line in capfd.readouterr().err.splitlines() if "switched off" in line]

    assert (before, guard.off("often"), guard.off("seldom")) == (False, True, False)
    assert len(lines) == 1
    assert lines[0].startswith(f"monagent: often failed {guard.LIMIT} times and is switched off")


def test_what_is_switched_off_is_asked_no_more(clock: list[float]) -> None:
    """The looks at the surroundings of a program in which they always fail."""
    asked: list[float] = []

    def fails() -> None:
        asked.append(clock[0])
        raise ValueError

    before = checks[:]
    try:
        checks[:] = [fails]
        for turn in range(guard.LIMIT + 5):
            pulse(float(turn))
    finally:
        checks[:] = before

    assert len(asked) == guard.LIMIT


@pytest.mark.parametrize(("level", "said"), [("info", 1), ("error", 1), ("off", 0)])
def test_the_level_decides_what_is_said(
    level: str, said: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Failures are errors; `off` silences everything."""
    monkeypatch.setattr(guard, "level", level)

    fail("part", ValueError("two\nlines"))

    assert capfd.readouterr().err.count("\n") == said


def test_debugging_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each of its lines begins with our name."""
    monkeypatch.setattr(guard, "level", "debug")

    fail("part", ValueError("x"))

    lines = capfd.readouterr().err.splitlines()
    assert len(lines) > 3
    assert all(line.startswith("monagent: ") for line in lines)


@pytest.mark.parametrize("broken", [lambda: os.close(2), lambda: os.dup2(os.pipe()[1], 2)])
def test_a_broken_stderr_is_no_error(broken: Callable[[], object]) -> None:
    """Closed, or a pipe that nobody reads."""
    saved = os.dup(2)
    try:
        broken()
        guard.say("nobody hears this")
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def test_a_line_names_the_file_of_a_wrapper_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    """Not as the one it passes for before warnings."""

    @step_aside
    def wrapper() -> None:
        raise ValueError("x")

    swallow(wrapper)

    assert f" ({__file__}:{wrapper.__code__.co_firstlineno + 2})\n" in capfd.readouterr().err
