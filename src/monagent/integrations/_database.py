"""What drivers share: a method that sends one statement, sync or a coroutine function, measured.

Closer to the metal than `watch`, since a statement may take no more than some microseconds.
"""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions.database import TIMERS, broke, covered, timer_of
from monagent.instrument.identity import giving_coroutines, may_be_tried, step_aside, try_on
from monagent.instrument.watch import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.conventions.database import Labels

    LabelsOf = Callable[[Any, tuple[Any, ...], dict[str, Any]], Labels]

_COROUTINE = 0x80 | 0x100  # flags of code objects


def measured(library: str, original: Any, labels_of: LabelsOf) -> Any:
    """A wrapper for a method of a cursor or connection.

    Args:
        library: the integration, for the guard.
        labels_of: gives the labels, from the object, the arguments and those given by name.
    """
    code = getattr(original, "__code__", None)
    if code is not None and code.co_flags & _COROUTINE:
        return _measured_coroutine(library, original, labels_of)

    timers = TIMERS

    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        labels = None
        try:
            if not covered():
                found = labels_of(self, args, kwargs)
                begun = perf_counter()
                labels = found
        except BaseException as error:
            failed(library, error)
        if labels is None:
            if kwargs or len(args) != 2:
                return original(self, *args, **kwargs)
            statement, parameters = args  # As whatever is above calls it: half the cost.
            return original(self, statement, parameters)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            try:
                broke(labels, begun, error)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            (timers.get(labels) or timer_of(labels))(begun)
        except BaseException as error:
            failed(library, error)
        return result

    return method


def _measured_coroutine(library: str, original: Any, labels_of: LabelsOf) -> Any:
    timers = TIMERS
    fitting: set[Any] = set()
    binds = may_be_tried(original)

    async def recorded(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        labels = None
        try:
            found = labels_of(self, args, kwargs)
            begun = perf_counter()
            labels = found
        except BaseException as error:
            failed(library, error)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            try:
                if labels is not None:
                    broke(labels, begun, error)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            if labels is not None:
                (timers.get(labels) or timer_of(labels))(begun)
        except BaseException as error:
            failed(library, error)
        return result

    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        above = True
        try:
            if not covered():
                above = False
        except BaseException as error:
            failed(library, error)
        if not above:
            shape = (len(args), *kwargs) if kwargs else len(args)
            if binds and shape not in fitting:
                try_on(original, (self, *args), kwargs, fitting, shape)
            return recorded(self, args, kwargs)
        if kwargs or len(args) != 2:
            return original(self, *args, **kwargs)
        statement, parameters = args  # As whatever is above calls it: half the cost.
        return original(self, statement, parameters)

    step_aside(recorded).__qualname__ = original.__qualname__
    recorded.__name__ = original.__name__
    return giving_coroutines(method)
