"""GraphQL: operations that a server executes, and subscriptions that stay open.

The labels are OpenTelemetry's attributes of GraphQL spans, which has no metrics of its own yet
(https://opentelemetry.io/docs/specs/semconv/graphql/); a document's text is none of them. Names of
operations are chosen by clients: the first ones that were valid are told apart, the rest is one,
and so are those too long for a label.
"""

from __future__ import annotations

import os

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions.http import EDGES
from monagent.conventions.realtime import LIFETIMES
from monagent.metrics import Counter, Histogram, UpDownCounter, cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.metrics.recorders import Recorder

_OPERATION = ("graphql.operation.type", "graphql.operation.name")

DURATION = Histogram(
    "graphql.server.operation.duration",
    unit="s",
    help="Time of executing an operation; one that is refused before counts with its error.",
    labels=(*_OPERATION, "error.type"),
    buckets=EDGES,
)
ERRORS = Counter(
    "graphql.server.errors",
    unit="{error}",
    help="Errors in the results of operations, of which one result may have several.",
    labels=(*_OPERATION, "error.type"),
)
ACTIVE = UpDownCounter(
    "graphql.server.subscriptions.active",
    unit="{subscription}",
    help="Subscriptions open now.",
    labels=("graphql.operation.name",),
)
EVENTS = Counter(
    "graphql.server.subscription.events",
    unit="{event}",
    help="Results that subscriptions have given.",
    labels=("graphql.operation.name",),
)
LIFETIME = Histogram(
    "graphql.server.subscription.duration",
    unit="s",
    help="Lifetime of subscriptions.",
    labels=("graphql.operation.name", "error.type"),
    buckets=LIFETIMES,
)

ANONYMOUS = "anonymous"
OTHER = "other"
UNKNOWN = "unknown"
"""The type of a document that could not be read."""

SYNTAX = "syntax_error"
VALIDATION = "validation_error"

_MOST_NAMES = 200
_LONGEST_NAME = 100
_names: dict[str, str] = cache()
_recorders: dict[tuple[str, str | None], Recorder] = cache()

_forks = [0]
os.register_at_fork(after_in_child=lambda: _forks.__setitem__(0, _forks[0] + 1))


def named(name: str | None) -> str:
    """An operation's name as a label, of one that is valid."""
    if name is None:
        return ANONYMOUS
    try:
        return _names[name]
    except KeyError:
        if len(_names) >= _MOST_NAMES or len(name) > _LONGEST_NAME:
            return OTHER
        return _names.setdefault(name, name)


def executed(seconds: float, kind: str, name: str | None, errors: list[str]) -> None:
    """An operation has its result, with these kinds of errors."""
    if errors:
        label = named(name)
        DURATION.bind(kind, label, errors[0])(seconds)
        for error in errors:
            ERRORS.bind(kind, label, error)(1.0)
        return
    try:
        record = _recorders[kind, name]
    except KeyError:
        record = DURATION.bind(kind, named(name), None)
        if name is None or name in _names:
            _recorders[kind, name] = record
    record(seconds)


def refused(seconds: float, kind: str, name: str | None, error: str) -> None:
    """A document is no GraphQL, or not of this schema; its name takes no valid one's place."""
    label = ANONYMOUS if name is None else _names.get(name, OTHER)
    DURATION.bind(kind, label, error)(seconds)
    ERRORS.bind(kind, label, error)(1.0)


class Subscription:
    """One open subscription; `end` counts it, once. In a forked child the parent's are nobody's."""

    __slots__ = ("_forks", "_name", "_open", "_start")

    def __init__(self, name: str | None) -> None:
        self._name = named(name)
        self._forks = _forks[0]
        self._start = perf_counter()
        self._open = True
        ACTIVE.bind(self._name)(1.0)

    def event(self) -> None:
        """It has given a result."""
        EVENTS.bind(self._name)(1.0)

    def end(self, error: str | None = None) -> None:
        """It is over."""
        if getattr(self, "_open", False) and self._forks == _forks[0]:
            self._open = False
            ACTIVE.bind(self._name)(-1.0)
            LIFETIME.bind(self._name, error)(perf_counter() - self._start)

    def __del__(self) -> None:
        try:
            self.end()
        except BaseException as error:
            guard.failed("graphql", error)


def kinds(errors: Any, kind_of: Any) -> list[str]:
    """The kinds of the errors in a result; of each what a resolver raised, where one did."""
    return [kind_of(getattr(error, "original_error", None) or error) for error in errors or ()]
