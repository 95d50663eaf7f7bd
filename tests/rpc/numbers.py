"""Reads what was recorded of calls, in the short form that tests compare."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.http_client import numbers

Outcomes = dict[tuple[str, str | None, str | None], int]
"""By method (without its service), status code and error.type."""


class Numbers(numbers.Numbers):
    """The numbers of one shard."""

    def calls(self, side: str) -> Outcomes:
        """How many calls of the side, "server" or "client", ended how."""
        found: Outcomes = {}
        for attributes, cells in self.series(f"rpc.{side}.call.duration"):
            key = (
                str(attributes["rpc.method"]).rpartition("/")[2],
                attributes.get("rpc.response.status_code"),
                attributes.get("error.type"),
            )
            found[key] = found.get(key, 0) + int(sum(cells[1:]))
        return {key: count for key, count in found.items() if count}

    def active(self, side: str) -> float:
        """Calls of the side that are under way."""
        return self.total(f"rpc.{side}.active_calls")

    def seconds(self, side: str) -> float:
        """Duration of all calls together."""
        return sum(cells[0] for _, cells in self.series(f"rpc.{side}.call.duration"))

    def settled(self, side: str, expected: Any) -> None:
        """Holds the outcomes against what is expected, which may take the other side a moment."""
        eventually(lambda: self.calls(side) == expected and not self.active(side))
        assert self.calls(side) == expected
        assert self.active(side) == 0


def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is, at most half a minute."""
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
