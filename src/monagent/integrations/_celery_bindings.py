"""Which of Celery's queues a message's exchange and routing key lead to, by how they are bound."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_KEYED = ("direct", "topic")
"""Exchanges that hand nothing on whose key matches no binding."""


def leads_to(queue: Any, exchange: str, routing_key: str) -> bool:
    """Whether this exchange gives the queue a message with this key; "": any exchange of it."""
    return any(_hands_on(kind, key, routing_key) for kind, key in _bindings(queue, exchange))


def may_lead_to(queue: Any, exchange: str) -> bool:
    """Whether the queue is bound to this exchange, which may hand on whatever the key is."""
    return any(kind not in _KEYED for kind, _ in _bindings(queue, exchange))


def is_bound(queue: Any, exchange: str) -> bool:
    """Whether the queue is bound to this exchange at all."""
    return any(True for _ in _bindings(queue, exchange))


def _bindings(queue: Any, exchange: str) -> Iterator[tuple[str, str]]:
    """The type of the exchange and the key of each binding of a queue to this exchange: its own,
    and those of a list that it may have beside."""
    for bound in (queue, *(queue.bindings or ())):
        source = bound.exchange
        if source is not None and (not exchange or source.name == exchange):
            yield source.type, bound.routing_key or ""


def _hands_on(kind: str, binding: str, routing_key: str) -> bool:
    return matches(binding, routing_key) if kind == "topic" else binding == routing_key


def matches(binding: str, routing_key: str) -> bool:
    """Whether a topic exchange hands on a message: `*` is one word, `#` any number of them."""
    words = routing_key.split(".") if routing_key else []
    at = {0}  # how many words what was read of the binding may stand for
    for part in binding.split("."):
        if part == "#":
            at = set(range(min(at, default=len(words) + 1), len(words) + 1))
        else:
            at = {n + 1 for n in at if n < len(words) and part in ("*", words[n])}
    return len(words) in at
