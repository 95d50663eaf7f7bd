"""What a watched function was called with, as an integration reads it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Call:
    """A call of a watched function: what it was called with.

    `instance` is the object (or class) that a method was called on, None for a function;
    `args` are the positional arguments behind it. Nothing in here may be changed.
    """

    __slots__ = ("args", "instance", "kwargs")

    def __init__(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.instance = instance
        self.args = args
        self.kwargs = kwargs

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument that may have been given by position or by name."""
        if len(self.args) > position:
            return self.args[position]
        return self.kwargs.get(name, default)
