"""Files that C executes as modules, as uWSGI does with those of `--wsgi-file`."""

from __future__ import annotations

import _thread
import ctypes
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from monagent.integrations import _uwsgi_application
from tests.e2e.command import until

NAME = "uwsgi_file_tried"
CODE = """
import sys
assert sys.modules[__name__].__dict__ is globals()
assert __name__ in sys.modules
value = 5
"""


@pytest.fixture(autouse=True)
def _unhooked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is replaced stands again after the test."""
    importlib: Any = sys.modules["_frozen_importlib_external"]
    monkeypatch.setattr(importlib, "_fix_up_module", importlib._fix_up_module)
    yield
    sys.modules.pop(NAME, None)


def execute(code: str, done: Callable[[], bool]) -> ModuleType:
    """Has C execute it with no code of Python's beneath, in a thread that is C's own."""
    call = ctypes.pythonapi.PyImport_ExecCodeModule
    call.argtypes, call.restype = (ctypes.c_char_p, ctypes.py_object), ctypes.py_object
    compiled = compile(code, "tried.py", "exec")
    module = sys.modules[NAME] = ModuleType(NAME)
    _thread.start_new_thread(call, (NAME.encode(), compiled))
    until(done, "the file's end")
    return module


def test_a_file_is_told_of_once_it_has_run() -> None:
    """Not before, though its code looks its own module up; `sys.modules` is as without us."""
    told: list[tuple[ModuleType, Any]] = []
    _uwsgi_application.hear_of_files(lambda ran: told.append((ran, vars(ran).get("value"))))

    module = execute(CODE, lambda: bool(told))

    assert told == [(module, 5)]
    assert [type(name) for name in sys.modules if name == NAME] == [str]


@pytest.mark.swallows
def test_a_hook_that_fails_leaves_the_module_as_it_is(swallowed: list[Any]) -> None:
    """What is of ours is told to the guard."""

    def fails(ran: ModuleType) -> None:
        raise LookupError(ran)

    _uwsgi_application.hear_of_files(fails)

    module = execute(CODE, lambda: bool(swallowed))

    assert vars(module)["value"] == 5
    assert len(swallowed) == 1
