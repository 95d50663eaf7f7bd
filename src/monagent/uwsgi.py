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


def hook_forks(begun: Callable[[Any], object]) -> None:
    """Have our shards follow uWSGI's forks, once its module is there (it comes after start).

    `begun` gets the module in every worker that begins.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None or _hooked:
        return
    _hooked.append(begun)
    if uwsgi.worker_id():  # With --lazy-apps the worker is there first.
        tell()
    decorators = sys.modules.get("uwsgidecorators")
    chain = getattr(decorators, "postfork_chain", None)
    if isinstance(chain, list):
        chain.insert(0, forked)
        return
    before = getattr(uwsgi, "post_fork_hook", None)

    def post_fork_hook() -> None:
        forked()
        if before is not None:
            before()

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
