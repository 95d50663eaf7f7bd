"""Applications that uWSGI takes out of a module: it calls them from C, so they are replaced there.

Those of a framework measure themselves and stay. What stands in a file (`--wsgi-file`) is executed
and taken by C without a word to Python, and is left alone.
https://github.com/unbit/uwsgi/blob/master/plugins/python/pyloader.c
"""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.integrations import _wsgi_stand_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

FILES = (".py", ".wsgi", ".ini")


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


def named(options: dict[str, Any]) -> dict[str, set[str]]:
    """Names of modules, and in them of applications, by uWSGI's options as it tells them."""
    usual = _texts(options, "callable") or ["application"]
    found: dict[str, set[str]] = {}
    mounts = [mount.partition("=")[2] for mount in _texts(options, "mount")]
    modules = _texts(options, "module") + _texts(options, "wsgi")
    for said in modules + [mount for mount in mounts if ":" in mount and not mount.endswith(FILES)]:
        module, _, attribute = said.partition(":")
        found.setdefault(module, set()).update([attribute] if attribute else usual)
    return found


def replace(names: dict[Any, Any], name: Any) -> None:
    """A measured application for the one of that name, if there is one."""
    try:
        if callable(names.get(name)):
            names[name] = _wsgi_stand_in.measured(names[name])
    except BaseException as error:
        http.failed(error)


def _texts(options: dict[str, Any], name: str) -> list[str]:
    given = options.get(name, ())
    values = given if isinstance(given, (list, tuple)) else [given]
    return [value.decode() for value in values if isinstance(value, bytes)]
