"""The body of a request over WSGI, counted as the application reads it.

Some read it byte by byte, as Werkzeug does for lines, and ask each time what the stream can do:
what stands for it has the methods that it has, and looks for others as shortly as it does.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from types import FunctionType, MethodDescriptorType

from monagent.conventions import http
from monagent.instrument.identity import pass_for
from monagent.integrations._stand_in import Passing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from monagent.integrations._wsgi_request import Request

BELIEVED = 65_536
"""Bytes. Who declares no more is believed: most bodies are so short, and counting one has a cost.
What lies in C has the same number."""

_kinds: dict[type, type[CountedInput]] = {}


def counting(name: str, size_of: Callable[[Any], int], original: Any = None) -> Any:
    """A method of this name that counts what it gives, with the looks of the stream's own."""

    def method(self: CountedInput, *size: Any, **named: Any) -> Any:
        given = getattr(self._monagent_app, name)(*size, **named)
        try:
            request, most = self._monagent_request, self._monagent_most
            received = request.received + size_of(given)
            request.received = received if received < most else most
        except BaseException as error:
            if given is not None:  # Nothing has come yet.
                http.failed(error)
        return given

    method.__name__ = name
    return pass_for(method, original) if callable(original) else method


class CountedInput(Passing):
    """Stands for the server's stream in all but what reads from it."""

    __slots__ = ("_monagent_most", "_monagent_request")
    _monagent_most: int
    _monagent_request: Request

    def __iter__(self) -> Iterator[bytes]:
        lines = iter(self._monagent_app)
        return self if lines is self._monagent_app else map(self._monagent_got, lines)

    def __next__(self) -> bytes:
        data: bytes = next(self._monagent_app)
        try:  # As above: a call more for each line would show.
            request, most = self._monagent_request, self._monagent_most
            received = request.received + len(data)
            request.received = received if received < most else most
        except BaseException as error:
            http.failed(error)
        return data

    def _monagent_got(self, data: bytes) -> bytes:
        try:
            received = self._monagent_request.received + len(data)
            self._monagent_request.received = min(received, self._monagent_most)
        except BaseException as error:
            http.failed(error)
        return data


ALWAYS: dict[str, Callable[[Any], int]] = {
    "read": len,
    "readline": len,
    "readlines": lambda lines: sum(map(len, lines)),
}
"""What every server's stream has to have, and the size of what that gives."""
OTHERS: dict[str, Callable[[Any], int]] = {"read1": len, "readinto": int, "readinto1": int}
"""What only some have."""


class Entered(CountedInput):
    """One that `with` may close."""

    __slots__ = ()

    def __enter__(self) -> CountedInput:
        self._monagent_app.__enter__()
        return self

    def __exit__(self, *raised: Any) -> Any:
        return self._monagent_app.__exit__(*raised)


class Open(CountedInput):
    """One that may get attributes of which its class knows nothing."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._monagent_app, name)


def kind_of(source: Any) -> type[CountedInput]:
    """The class of what stands for such a stream."""
    kind = type(source)
    bases: tuple[type[CountedInput], ...] = (Entered,) if hasattr(kind, "__enter__") else ()
    has: dict[str, Any] = {"__slots__": ()}
    asks = hasattr(kind, "__getattr__") or type(kind.__getattribute__) is FunctionType
    if asks or hasattr(source, "__dict__"):
        bases = (*bases, Open)
    else:  # It will never have more, as those of uWSGI and granian.
        names = {name for name in dir(kind) if name[:2] != "__"} - set(dir(CountedInput))
        has |= {name: property(attrgetter(f"_monagent_app.{name}")) for name in names}
    reading = ALWAYS | {name: size for name, size in OTHERS.items() if hasattr(source, name)}
    for name, size_of in reading.items():
        original = getattr(kind, name, None)
        method = has[name] = counting(name, size_of, original)
        if type(original) is MethodDescriptorType:  # It says whose it is when it is bound.
            method.__qualname__ = f"{kind.__qualname__}.{name}"
    return type("CountedInput", bases or (CountedInput,), has)


def counted_input(source: Any, request: Request, most: int | None) -> CountedInput:
    """What an application reads in place of the server's stream.

    Args:
        most: the declared length of the body, where it has a credible one: who goes back to the
            start reads no more than that.
    """
    while isinstance(source, CountedInput) and source._monagent_request.recorded:
        source = source._monagent_app  # The environ is used once more.
    kind = _kinds.get(type(source))
    if kind is None:
        kind = kind_of(source)
        if len(_kinds) < 100:
            _kinds[type(source)] = kind
    made = kind()
    most = sys.maxsize if most is None else most
    for name, value in (("app", source), ("request", request), ("most", most)):
        object.__setattr__(made, f"_monagent_{name}", value)
    return made
