"""Exceptions that nobody caught are counted where they end; what is printed stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.programs import program

ENDINGS = {
    "builtin": ("raise ValueError('no')", {"ValueError": 1.0}),
    "library": ("import json; json.loads('{')", {"json.decoder.JSONDecodeError": 1.0}),
    "own": ("class Mine(Exception): pass\nraise Mine", {"__main__.Mine": 1.0}),
    "exit": ("raise SystemExit(3)", {}),
    "interrupted": ("raise KeyboardInterrupt", {}),
    "caught": ("try: 1 / 0\nexcept ZeroDivisionError: pass", {}),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_a_program_counts_once(ending: str, tmp_path: Path) -> None:
    """By its full type, also in a program that imports no known library."""
    text, expected = ENDINGS[ending]

    ended = program(text, tmp_path)

    assert ended.counted.by("errors", "type", severity="critical") == expected


def test_an_exception_of_a_debugger_is_nobodys_end(tmp_path: Path) -> None:
    """Test runners leave the interesting frames of a caught exception where Python does."""
    text = """
        import sys
        def inner(): raise ValueError
        try: inner()
        except ValueError as error:
            sys.last_value, sys.last_traceback = error, error.__traceback__.tb_next
    """
    assert program(text, tmp_path).counted.by("errors", "type") == {}


def test_what_ends_a_thread_counts_once(tmp_path: Path) -> None:
    """An exception does, a SystemExit in a thread is silent and no error."""
    text = """
        import logging, threading
        def fail(): raise KeyError("x")
        def leave(): raise SystemExit
        for target in (fail, leave, int):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    """
    assert program(text, tmp_path).counted.by("errors", "type", severity="error") == {"KeyError": 1}


@pytest.mark.parametrize("loops", ["asyncio", "uvloop"])
def test_what_an_event_loop_reports_counts_once(loops: str, tmp_path: Path) -> None:
    """A task that nobody awaited, a callback that failed, and a report without an exception."""
    text = f"""
        import asyncio, gc, {loops}
        async def lost(): raise OSError
        def fail(): raise LookupError
        async def main():
            asyncio.ensure_future(lost())
            asyncio.get_running_loop().call_soon(fail)
            asyncio.get_running_loop().call_exception_handler({{"message": "told"}})
            await asyncio.sleep(0.05)
            gc.collect()
        loop = {loops}.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """
    ended = program(text, tmp_path)

    assert ended.code == 0, ended.errors
    assert ended.counted.by("errors", "type", severity="error") == {
        "OSError": 1,
        "LookupError": 1,
        "_OTHER": 1,
    }


def test_what_must_be_ignored_is_a_warning(tmp_path: Path) -> None:
    """A destructor cannot raise, a thread of the C level has nobody to tell."""
    text = """
        import logging, _thread, time
        class Failing:
            def __del__(self): raise RuntimeError
        Failing()
        begun = _thread.allocate_lock(); begun.acquire()
        def fail():
            begun.release()
            1 / 0
        _thread.start_new_thread(fail, ())
        begun.acquire()
        while _thread._count(): time.sleep(0.01)
    """
    ended = program(text, tmp_path)

    assert ended.counted.by("errors", "type", severity="warning") == {
        "RuntimeError": 1,
        "ZeroDivisionError": 1,
    }


def test_hooks_of_the_program_are_asked_as_before(tmp_path: Path) -> None:
    """Output, order and exit code are those without monagent, and the hooks are Python's own."""
    text = """
        import asyncio, logging, sys, threading
        print(sys.excepthook is sys.__excepthook__)
        print(threading.excepthook is threading.__excepthook__)
        def fail(): raise KeyError("in a thread")
        def run():
            thread = threading.Thread(target=fail, name="T")
            thread.start()
            thread.join()
        run()
        threading.excepthook = lambda told: print("thread", told.exc_type, told.thread.name)
        run()
        class Failing:
            def __del__(self): raise RuntimeError("ignored")
            def __repr__(self): return "failing"
        Failing.__del__.__qualname__ = "d"
        one = Failing(); del one
        said = lambda told: str(told.err_msg).partition(" at 0x")[0]
        sys.unraisablehook = lambda told: print("ignored", told.exc_type, said(told))
        one = Failing(); del one
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: print("loop", context["message"]))
        loop.call_soon(fail)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        sys.excepthook = lambda *told: print("end", told[0])
        raise ValueError("the end")
    """
    plain = program(text, tmp_path, adopted=False)
    watched = program(text, tmp_path)

    addresses = plain.errors.count(b" at 0x")
    assert (plain.code, plain.output) == (watched.code, watched.output)
    assert watched.errors.count(b" at 0x") == addresses
    assert [line for line in plain.errors.splitlines() if b" at 0x" not in line] == [
        line for line in watched.errors.splitlines() if b" at 0x" not in line
    ]
    # The destructor's second error goes past ours: the program has taken that hook for itself.
    assert watched.counted.total("errors") == 5


@pytest.mark.parametrize(
    ("switch", "left"),
    [("ERRORS", {"KeyError"}), ("THREADING", {"ValueError"}), ("ENABLED", set())],
)
def test_each_kind_can_be_switched_off(switch: str, left: set[str], tmp_path: Path) -> None:
    """MONAGENT_ERRORS for the interpreter's own, MONAGENT_THREADING for threads."""
    text = """
        import logging, threading
        def fail(): raise KeyError
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        raise ValueError
    """
    ended = program(text, tmp_path, environ={f"MONAGENT_{switch}": "off"})

    assert set(ended.counted.by("errors", "type")) == left
