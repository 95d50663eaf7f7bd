"""The art of wrapping: import hooks, watched callables, undo. Knows no metric and no library.

An integration is a file `integrations/<import name>.py`, found by that name and listed nowhere.
It declares `LIBRARY = Library(...)` (the README table and `monagent list` are made of it) and its
targets, each by one of these, all resolved only when the target's module has been imported:

    @watch("redis.client", "Redis.execute_command")   # a generator around the call, see watch.py
    @replace("flask.app", "Flask.__call__")           # make(original) -> function, for hot paths
    @substitute("sqlite3", "Connection")              # make(original) -> what takes its place
    @adopt("fastapi.applications", "FastAPI.build_middleware_stack")   # the same, when =otel
"""

from __future__ import annotations

from monagent.instrument.call import Call
from monagent.instrument.identity import giving_coroutines
from monagent.instrument.library import Library
from monagent.instrument.targets import (
    Unsupported,
    adopt,
    replace,
    replace_override,
    substitute,
)
from monagent.instrument.watch import Observed, watch

__all__ = [
    "Call",
    "Library",
    "Observed",
    "Unsupported",
    "adopt",
    "giving_coroutines",
    "replace",
    "replace_override",
    "substitute",
    "watch",
]
