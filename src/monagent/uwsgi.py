"""uWSGI forks its workers without Python's fork hooks; it calls `uwsgi.post_fork_hook` instead."""

from __future__ import annotations

import sys

from monagent import guard
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_hooked: list[Callable[[Any], object]] = []
_hook: list[Any] = []  # what stands at uWSGI, to know it again


def embeds() -> bool:
    """Whether this interpreter is uWSGI's own, which loads the application without a script."""
    try:
        binary = os.readlink("/proc/self/exe") if not sys.orig_argv else ""
    except OSError:
        return False
    return "uwsgi" in os.path.basename(binary)


def hook_forks(begun: Callable[[Any], object]) -> None:
    """Have our shards follow uWSGI's forks, once its module is there (it comes after start).

    `begun` gets the module in every worker that begins. To be called again: the application may
    put a hook of its own in the place of ours, as uwsgidecorators does when it is imported.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    before = getattr(uwsgi, "post_fork_hook", None)
    if uwsgi is None or (_hook and before is _hook[0]):
        return
    if not _hooked:
        _hooked.append(begun)
        if uwsgi.worker_id():  # With --lazy-apps the worker is there first.
            tell()
    decorators = sys.modules.get("uwsgidecorators")
    chain = getattr(decorators, "postfork_chain", None)
    if isinstance(chain, list):
        if forked not in chain:
            chain.insert(0, forked)
        return

    def post_fork_hook() -> None:
        forked()
        if before is not None:
            before()

    _hook[:] = [post_fork_hook]
    uwsgi.post_fork_hook = post_fork_hook


def forked() -> None:
    """In the new worker: give every shard its own file, unless Python's hooks did so already."""
    from monagent.store import shard

    try:
        if any(one.pid != os.getpid() for one in shard._shards):
            shard._forked()
    except BaseException as error:
        guard.failed("uwsgi", error)
    tell()


def tell() -> None:
    """A worker begins."""
    try:
        for begun in _hooked:
            begun(sys.modules["uwsgi"])
    except BaseException as error:
        guard.failed("uwsgi", error)
