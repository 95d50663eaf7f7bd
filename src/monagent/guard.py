"""Swallow what fails inside monagent, so that the application never notices.

Every entry into monagent from the application's code is wrapped in `try: … except BaseException
as error: guard.failed("component", error)`. A failure is counted, said on stderr at most once a
minute, and a component that keeps failing is switched off. Ctrl-C, exits and whatever a signal
handler of the application raised while monagent's code happened to run are not ours: they pass.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

LIMIT = 20
"""Failures of one component within one WINDOW after which it is switched off."""

WINDOW = 3600.0
"""Seconds after which a component's earlier failures are forgiven."""

QUIET = 60.0
"""Seconds between two lines about failures."""

LEVELS = ("debug", "info", "warning", "error", "off")

counts: dict[str, int] = {}
"""Errors swallowed since the process started, by component."""

on_failure: Callable[[str, BaseException], None] | None = None
"""Told of every swallowed error: the agent counts it as a metric, tests fail by it."""

level = "info"
"""Lines below this level are not said; the agent sets it from MONAGENT_LOG_LEVEL."""

_recent: dict[str, tuple[float, int]] = {}
_off: set[str] = set()
_last_line: list[float] = []
_NOT_OURS = (KeyboardInterrupt, SystemExit, GeneratorExit)
_HERE = __name__.removesuffix("guard")  # Not the folder: some of our code passes for others'.


def failed(component: str, error: BaseException) -> None:
    """Take note of an error inside `component`. Raises nothing but what is not monagent's."""
    if not_ours(error):
        raise error
    try:
        _note(component, error)
        if on_failure is not None:
            on_failure(component, error)
    except BaseException as another:  # Out of memory, recursion limit: nobody is left to tell.
        if not_ours(another):
            raise


def off(component: str) -> bool:
    """Whether that component failed too often and must not be asked any more."""
    return component in _off


def not_ours(error: BaseException) -> bool:
    """Whether the error is the application's own, raised while monagent's code was running.

    Timeouts made of signals (Celery's soft limit, `signal.alarm`) raise in a handler that Python
    may call between any two of our instructions, those of threads (dramatiq's, stopit's) without
    one; swallowing either would cancel the timeout.
    """
    if isinstance(error, _NOT_OURS):
        return True
    try:
        handlers = _signal_handlers()
        traceback, before = error.__traceback__, None
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_code in handlers or _was_given(frame, before):
                return True
            traceback, before = traceback.tb_next, frame
        return before is not None and _out_of_the_blue(error, before)
    except Exception:
        return False  # A doubtful error counts as ours.


def say(line: str, at: str = "warning") -> None:
    """Write one line to stderr, past every stream object and logger of the application."""
    try:
        if sys.__stderr__ is None or LEVELS.index(at) < LEVELS.index(level):
            return  # No stderr at start: descriptor 2 may be somebody's database by now.
        text = "monagent: " + " ".join(line.split("\n")) + "\n"
        os.write(2, text.encode("utf-8", "backslashreplace"))
    except Exception:
        pass  # Closed or full stderr.


def forget() -> None:
    """Start afresh, as in a new process."""
    counts.clear()
    _recent.clear()
    _off.clear()
    _last_line.clear()


def _note(component: str, error: BaseException) -> None:
    now = time.monotonic()
    counts[component] = counts.get(component, 0) + 1
    since, recent = _recent.get(component, (now, 0))
    if now - since > WINDOW:
        since, recent = now, 0
    _recent[component] = (since, recent + 1)
    if recent + 1 >= LIMIT and component not in _off:
        _off.add(component)
        say(f"{component} failed {recent + 1} times and is switched off: {_told(error)}", "error")
    elif not _last_line or now - _last_line[0] >= QUIET:
        _last_line[:] = [now]
        say(f"{component} failed, the application goes on: {_told(error)}", "error")
    if level == "debug":
        _say_traceback(error)


def _told(error: BaseException) -> str:
    """`ValueError: text (file.py:12)`, without running more of the error's code than needed."""
    where = ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file, aside, _ = code.co_filename.partition(" (as of ")  # instrument/identity.py says more
        file = file[1:] if aside else file
        where = f" ({file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    try:
        text = str(error)[:200]
    except Exception:
        text = "(its text cannot be had)"
    return f"{type(error).__name__}: {text}{where}"


def _say_traceback(error: BaseException) -> None:
    import traceback  # Costs 5 ms, and only debugging asks for it.

    for line in "".join(traceback.format_exception(error)).splitlines():
        say(line, "debug")


def _was_given(frame: FrameType, interrupted: FrameType | None) -> bool:
    """Whether it runs a signal's handler: those are given the frame that they interrupt. Tells a
    handler that is an object, or that is none any more."""
    for value in frame.f_locals.values() if interrupted is not None else ():
        if value is interrupted:
            return True
        if isinstance(value, tuple) and any(item is interrupted for item in value):
            return True
    return False


def _out_of_the_blue(error: BaseException, innermost: FrameType) -> bool:
    """Whether another thread has sent it (PyThreadState_SetAsyncExc): a class of the program's,
    made without an argument, in the midst of our own lines."""
    kind = type(error)
    return (
        innermost.f_globals.get("__name__", "").startswith(_HERE)
        and not error.args
        and kind.__module__ != "builtins"
        and not kind.__module__.startswith("monagent")
    )


def _signal_handlers() -> set[CodeType]:
    # Built in; `signal` itself builds enums.
    import _signal  # type: ignore[import-not-found] # typeshed lacks it

    codes: set[CodeType] = set()
    for number in range(1, _signal.NSIG):
        try:
            handler = _signal.getsignal(number)
        except ValueError:  # glibc keeps two numbers for itself
            continue
        function = getattr(handler, "__func__", handler)
        code = getattr(function, "__code__", None)
        if code is not None:
            codes.add(code)
    return codes
