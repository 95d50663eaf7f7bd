"""gRPC servers with threads: a call from its arrival to the event that it is over.

Both happen in the server's own thread, where also its end is told to callbacks; with that, every
status is known, one that the runtime has chosen too.
"""

from __future__ import annotations

from monagent.clock import perf_counter, time
from monagent.conventions import rpc
from monagent.integrations._grpc import SYSTEM, failed, given, name_of, text
from monagent.metrics import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CANCELLED = "cancelled"
_CLOCKS = 0.05
"""Seconds by which the client's clock may end a call before the deadline is seen here."""

_calls: dict[Any, rpc.Calls] = cache()  # by the name of a method that was found, as it came
_MOST_CALLS = 1_000

_rejected: dict[int, Any] = {}  # status by id of the event, while it is handled
CHOSEN = "_monagent"
"""The status that the runtime has chosen, in the call's state: there it goes when the call does,
also if it was chosen when all was over."""


def handled(original: Any) -> Any:
    """Around what takes a call: state and future, or no future when it was turned away."""

    def _handle_call(rpc_event: Any, *args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        answer = original(rpc_event, *args, **kwargs)
        try:
            state, future = answer
            if state is not None:
                name = rpc_event.call_details.method
                if not name and args:
                    name = args[0].name()  # registered before, so that the runtime knows it
                if future is None:
                    turned_away(name, _rejected.pop(id(rpc_event), None), begun)
                else:
                    try:
                        calls = _calls[name]
                    except KeyError:
                        calls = calls_of(name)
                    calls.mem[0][calls.at] += 1.0
                    state.callbacks.append(ending(calls, begun, state, rpc_event.call_details))
        except BaseException as error:
            failed(error)
        return answer

    return _handle_call


def rejected(original: Any) -> Any:
    """Around what turns a call away, for its status."""

    def _reject_rpc(rpc_event: Any, *args: Any) -> Any:
        try:
            _rejected[id(rpc_event)] = args[-2]
        except BaseException as error:
            failed(error)
        return original(rpc_event, *args)

    return _reject_rpc


def aborted(original: Any) -> Any:
    """Around what ends a call early, for the status that the runtime puts in."""

    def _abort(state: Any, call: Any, code: Any, details: Any) -> Any:
        try:
            if state.code is None:
                setattr(state, CHOSEN, code)
        except BaseException as error:
            failed(error)
        return original(state, call, code, details)

    return _abort


def calls_of(name: Any) -> rpc.Calls:
    """The calls of a method that a handler was found for."""
    found = rpc.served(SYSTEM, rpc.known(text(name)))
    if len(_calls) < _MOST_CALLS:
        _calls[name] = found
    return found


def ending(calls: rpc.Calls, begun: float, state: Any, details: Any) -> Callable[[], None]:
    """What the server calls when the call is over."""

    def ended() -> None:
        try:
            code = state.code
            cancelled = state.client == _CANCELLED
            if code is None and state.statused and not cancelled and CHOSEN not in vars(state):
                calls.ok(begun)
            else:
                calls[status_of(state, details)](begun)
        except BaseException as error:
            failed(error)

    return ended


def status_of(state: Any, details: Any) -> str:
    """The status that the client got, or would have got."""
    # Of a call that was over first, a handler that was waiting for requests still sends a status.
    if state.client == _CANCELLED:
        return "DEADLINE_EXCEEDED" if details.deadline - time() < _CLOCKS else "CANCELLED"
    if state.statused and state.code is None:
        return name_of(vars(state).get(CHOSEN))
    return given(state.code)


def turned_away(name: Any, status: Any, begun: float) -> None:
    """No handler has seen the call."""
    code = "UNIMPLEMENTED" if status is None else name_of(status)
    method = rpc.known(text(name)) if code == "RESOURCE_EXHAUSTED" else rpc.OTHER
    calls = rpc.served(SYSTEM, method)
    calls.active(1.0)
    calls[code](begun)
