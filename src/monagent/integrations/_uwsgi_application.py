"""Applications that uWSGI takes out of a module: it calls them from C, so they are replaced there.

Those of a framework measure themselves and stay. A module that uWSGI imports has run when its
loader says so. That of a file (`--wsgi-file`) is executed by C, which lets importlib complete its
names before it runs, and looks it up in `sys.modules` when it has: both are heard.
https://github.com/unbit/uwsgi/blob/master/plugins/python/pyloader.c
https://docs.python.org/3/c-api/import.html#c.PyImport_ExecCodeModule
"""

from __future__ import annotations

import sys
from itertools import pairwise

from monagent.conventions import http
from monagent.integrations import _wsgi
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

FILES = (".py", ".wsgi", ".ini")
FILE = "uwsgi_file_"
"""What the name of a file's module begins with."""
FORMS = ("ini", "xml", "xmlconfig", "yaml", "yml", "json", "js")
"""Options that name a file of settings: https://uwsgi-docs.readthedocs.io/en/latest/Options.html"""

_found: list[list[str]] = []  # mounts, once they were looked for


def wanted(name: str) -> Callable[[ModuleType], None] | None:
    """What is to be done with a module that has run, if uWSGI is to find applications in it."""
    uwsgi: Any = sys.modules.get("uwsgi")  # It comes before the first application.
    callables = () if uwsgi is None else named(uwsgi.opt).get(name, ())
    if not callables:
        return None

    def ran(module: ModuleType) -> None:
        for attribute in callables:
            replace(vars(module), attribute)
        by_mount = vars(module).get("applications")
        if isinstance(by_mount, dict):
            for mount in list(by_mount):
                replace(by_mount, mount)

    return ran


def hear_of_files(ran: Callable[[ModuleType], None]) -> None:
    """Have `ran` told of the module of every file that uWSGI has executed, before it takes the
    application out of it."""
    importlib: Any = sys.modules["_frozen_importlib_external"]
    original = importlib._fix_up_module

    def _fix_up_module(names: Any, name: Any, *paths: Any) -> Any:
        result = original(names, name, *paths)
        try:
            if name.startswith(FILE) and sys._getframe().f_back is None:  # C asks for it
                _rename(_Running(name, ran))
        except BaseException as error:
            http.failed(error)
        return result

    importlib._fix_up_module = _fix_up_module


def of_file(module: ModuleType) -> None:
    """What is to be done with the module of a file that has run."""
    uwsgi: Any = sys.modules.get("uwsgi")
    for attribute in () if uwsgi is None else usual(uwsgi.opt):
        replace(vars(module), attribute)


class _Running(str):
    """The name of a module that C executes, in `sys.modules` while it runs.

    Whoever looks the module up compares this name: code of Python's for reasons of its own, and C,
    with no code of Python's beneath, when it has run.
    """

    def __new__(cls, name: str, ran: Callable[[ModuleType], None]) -> _Running:
        self = super().__new__(cls, name)
        self.ran = ran
        return self

    ran: Callable[[ModuleType], None]
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        try:
            if sys._getframe().f_back is None:
                self.ran(_rename(str(self)))
        except BaseException as error:
            http.failed(error)
        return str.__eq__(self, other)


def _rename(name: str) -> ModuleType:
    """Put this name in the place of an equal one; gives its module."""
    module = sys.modules.pop(name)
    sys.modules[name] = module
    return module


def usual(options: dict[str, Any]) -> list[str]:
    """The names of applications where nothing else is said with the module."""
    return _texts(options, "callable") or ["application"]


def named(options: dict[str, Any]) -> dict[str, set[str]]:
    """Names of modules, and in them of applications, by uWSGI's options as it tells them."""
    found: dict[str, set[str]] = {}
    mounts = [mount.partition("=")[2] for mount in _texts(options, "mount") + _mounts(options)]
    modules = _texts(options, "module") + _texts(options, "wsgi")
    for said in modules + [mount for mount in mounts if ":" in mount and not mount.endswith(FILES)]:
        module, _, attribute = said.partition(":")
        found.setdefault(module, set()).update([attribute] if attribute else usual(options))
    return found


def replace(names: dict[Any, Any], name: Any) -> None:
    """A measured application for the one of that name, if there is one."""
    try:
        if callable(names.get(name)):
            names[name] = _wsgi.shown(names[name])
    except BaseException as error:
        http.failed(error)


def _mounts(options: dict[str, Any]) -> list[str]:
    """All mounts of the command line, the environment and the files of settings: uWSGI tells only
    the last one, and of that no more than where it is once it has been mounted."""
    if _found:
        return _found[0]
    found = []
    for option, value in pairwise(_read("/proc/self/cmdline").split("\0")):
        name, equals, joined = option.partition("=")
        if name.lstrip("-") == "mount":
            found.append(joined if equals else value)
    found += [value for name, value in os.environ.items() if name.lower() == "uwsgi_mount"]
    for form in FORMS:
        for path in _texts(options, form):
            found += mounts_of(_read(path.partition(":")[0]))
    _found.append(found)
    return found


def mounts_of(text: str) -> list[str]:
    """The mounts that a file of settings names, in whichever of uWSGI's forms it is written."""
    found = []
    for said in text.split("mount")[1:]:
        sign, value = said.lstrip("\"' \t")[:1], said.lstrip("\"' \t")[1:].strip()
        if not sign or not value or sign not in "=:>":
            continue
        if value[:1] == "[":
            found += value.partition("]")[0].split('"')[1::2]
        elif value[:1] in "\"'":
            found.append(value[1:].partition(value[0])[0])
        else:
            found.append(value.partition("\n")[0].partition("<")[0].rstrip())
    return [mount for mount in found if mount]


def _read(path: str) -> str:
    """A file's text; nothing of one that lies elsewhere by now."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _texts(options: dict[str, Any], name: str) -> list[str]:
    given = options.get(name, ())
    values = given if isinstance(given, (list, tuple)) else [given]
    return [value.decode() for value in values if isinstance(value, bytes)]
