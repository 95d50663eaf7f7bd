"""gRPC clients with threads: calls that are waited for, and calls that go on in the background."""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions import rpc
from monagent.integrations._grpc import SYSTEM, failed, name_of, peer_of, text
from monagent.metrics import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_calls: dict[tuple[Any, Any], rpc.Calls] = cache()  # by target and method
_MOST_CALLS = 5_000


def calls_of(callable: Any) -> rpc.Calls:
    """The calls that this object of a stub makes."""
    target = getattr(callable, "_target", None)
    if target is None:  # before 1.60
        target = callable._channel.target()
    key = target, callable._method
    found = _calls.get(key)
    if found is None:
        method = rpc.known(text(callable._method))
        found = rpc.called(SYSTEM, method, peer_of(target))
        if len(_calls) >= _MOST_CALLS:
            _calls.clear()
        _calls[key] = found
    return found


def waited_for(original: Any) -> Any:
    """Around a call that returns its answer, or raises."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls = None
        try:
            try:
                calls = _calls[self._target, self._method]
            except (KeyError, AttributeError):
                calls = calls_of(self)
            calls.mem[0][calls.at] += 1.0
            begun = perf_counter()
        except BaseException as error:
            calls = None
            failed(error)
        if calls is None:
            return original(self, *args, **kwargs)
        try:
            answer = original(self, *args, **kwargs)
        except BaseException as error:
            try:
                broke(calls, begun, error)
            except BaseException as ours:
                failed(ours)
            raise
        try:
            calls.ok(begun)
        except BaseException as error:
            failed(error)
        return answer

    return __call__


def under_way(original: Any) -> Any:
    """Around a call that returns at once, with an object that is told of its end."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls = None
        try:
            calls = calls_of(self)
            calls.mem[0][calls.at] += 1.0
            begun = perf_counter()
        except BaseException as error:
            calls = None
            failed(error)
        if calls is None:
            return original(self, *args, **kwargs)
        try:
            call = original(self, *args, **kwargs)
        except BaseException as error:
            try:
                broke(calls, begun, error)
            except BaseException as ours:
                failed(ours)
            raise
        try:
            follow(call, calls, begun)
        except BaseException as error:
            failed(error)
        return call

    return __call__


def follow(call: Any, calls: rpc.Calls, begun: float) -> None:
    """Count the call when it is over. Its state is held, not the call: dropping that cancels it."""
    state = call._state
    over: list[bool] = []

    def ended() -> None:
        try:
            if not over:
                over.append(True)
                calls[name_of(state.code)](begun)
        except BaseException as error:
            failed(error)

    if not call.add_callback(ended):
        ended()
    elif type(call).__name__ == "_SingleThreadedRendezvous":
        # It has no thread to tell its end: who reads it does, and not if it is dropped before.
        call._monagent = Dropped(ended)


class Dropped:
    """Goes with a call, and ends it."""

    __slots__ = ("_ended",)

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def __del__(self) -> None:
        self._ended()


def broke(calls: rpc.Calls, begun: float, error: BaseException) -> None:
    """The call has raised: a status, or what kept it from being made."""
    code = getattr(error, "code", None)
    if callable(code) and getattr(error, "_state", None) is not None:
        calls[name_of(code())](begun)
    else:
        calls.broke(begun, error)
