"""One decision of a rate limiter, while the library that makes it asks the one that counts.

slowapi and Flask-Limiter ask `limits`, once for each limit that applies to a request, and
fastapi-limiter asks pyrate-limiter. The outer one opens a `Decision`, what is asked within says how
it came out, and it counts once. It stays at hand afterwards: what is asked about the same client
while the response is made (for its headers, say) belongs to it and is no decision of its own.
"""

from __future__ import annotations

from contextvars import ContextVar

from monagent import guard
from monagent.conventions import ratelimit
from monagent.conventions._exchange import KEY
from monagent.conventions.http import UNMATCHED
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Decision:
    """A limiter decides about a request; `asked` holds the clients that it asked about."""

    __slots__ = ("asked", "limiter", "open", "outcome", "outer", "route")

    def __init__(self, limiter: str, route: str | None, outer: Decision | None) -> None:
        self.limiter = limiter
        self.route = route
        self.outer = outer
        self.open = True
        self.outcome: str | None = None
        self.asked: list[tuple[Any, ...]] = []

    def heard(self, outcome: str) -> None:
        """The answer about one limit; a single refusal refuses the request."""
        if self.outcome != ratelimit.LIMITED:
            self.outcome = outcome

    def close(self) -> None:
        """It is made."""
        self.open = False
        outer = self.outer
        self.outer = None
        if outer is not None and outer.open:
            current.set(outer)

    def count(self) -> None:
        """It stands, if there was one."""
        if self.outcome is not None:
            ratelimit.decided(self.limiter, self.route, self.outcome)

    def end(self) -> None:
        """It is made, and stands."""
        self.close()
        self.count()


current: ContextVar[Decision | None] = ContextVar("monagent.rate_limit", default=None)


def begin(limiter: str, route: str | None) -> Decision:
    """A limiter begins to decide."""
    decision = Decision(limiter, route, current.get())
    current.set(decision)
    return decision


def about(client: tuple[Any, ...]) -> Decision | None:
    """The decision that a question about this client belongs to."""
    decision = current.get()
    if decision is None or decision.open or client in decision.asked:
        return decision
    return None


def answered(library: str, outcome: str) -> None:
    """What fastapi-limiter asked this library; whatever else asks it is no decision."""
    try:
        decision = current.get()
        if decision is not None and decision.open and decision.limiter == "fastapi_limiter":
            decision.heard(outcome)
    except BaseException as error:
        failed(library, error)


def route_of(carrier: Any) -> str | None:
    """The route that took the request of this ASGI scope or WSGI environ; None: not known yet."""
    exchange = carrier.get(KEY)
    route = getattr(exchange, "route", None)
    return None if route == UNMATCHED else route


def failed(library: str, error: BaseException) -> None:
    """Something of ours broke; the request goes on."""
    guard.failed(library, error)
    if guard.off(library):
        undo(library)
