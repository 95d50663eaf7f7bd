"""What a queue pool of SQLAlchemy says of itself, and the same figures as recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.database.numbers import Numbers

Make = Callable[..., Any]
"""Makes an engine on a file; a queue pool unless `poolclass` says otherwise."""


def reported(engine: Any) -> dict[str, float]:
    """What a queue pool says of itself, negative figures as none."""
    of = engine.pool
    return {
        "used": max(0, of.checkedout()),
        "idle": of.checkedin(),
        "overflow": max(0, of.overflow()),
    }


def recorded(numbers: Numbers, name: str | None = None) -> dict[str, float]:
    """The same figures as recorded."""
    figures = numbers.pool(name)
    return {figure: figures[figure] for figure in ("used", "idle", "overflow")}
