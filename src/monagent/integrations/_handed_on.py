"""What middleware hands on in the place of what it was given: something of its own, that holds it.

A function holds it by the closure that Python makes of a function within a function, a
`functools.partial` as an argument, an object whose method is handed on as an attribute.
https://docs.python.org/3/reference/datamodel.html#function.__closure__
"""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DEEP = 8
"""How many are looked through, one within the other: each middleware makes one."""

MANY = 100
"""How many objects are looked at in all, whatever a server's functions hold."""

_servers: set[type] = set()


def held_by(handed_on: Any) -> Iterator[Any]:
    """What is held by it, and by what that holds, the nearest first; for a method its object.

    No object is asked for anything, since all are the program's.
    """
    level = [handed_on]
    told = 0
    for _ in range(DEEP):
        level = [held for one in level for held in _of(one)][: MANY - told]
        told += len(level)
        for held in level:
            yield held.__self__ if type(held) is MethodType else held


def is_a_servers(handed_on: Any) -> None:
    """Objects of the class whose method this is hold no request: they are not looked at again."""
    if type(handed_on) is MethodType:
        if len(_servers) > MANY:
            _servers.clear()
        _servers.add(type(handed_on.__self__))


def named_as(handed_on: Any, ours: Any) -> None:
    """Have the function `ours`, which takes its place, be called what it is: Sentry names its spans
    of middleware so."""
    said = getattr(handed_on, "__qualname__", None)
    if type(said) is str and said != ours.__qualname__:
        ours.__name__, ours.__qualname__ = said.rpartition(".")[2], said


def _of(one: Any) -> list[Any]:
    if type(one) is FunctionType:
        return _contents(one)
    if type(one) is partial:
        return [one.func, *one.args, *one.keywords.values()]
    if type(one) is MethodType and type(one.__self__) not in _servers:
        return _attributes(one.__self__)
    return []


def _contents(function: FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            pass  # Its name has no value yet.
    return found


def _attributes(owner: Any) -> list[Any]:
    try:
        return list(object.__getattribute__(owner, "__dict__").values())
    except AttributeError:
        return []
