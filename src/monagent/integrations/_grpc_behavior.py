"""A handler of an asyncio gRPC server, counted: one that stands in for it, of the same kind.

The server asks which kind of function a handler's is: coroutines and async generators it runs on
its loop, others in threads.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions import rpc
from monagent.integrations._grpc import SYSTEM, failed, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLOCKS = 0.05
_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Handler:
    """What a server asks of a handler, with one function in another's place."""

    def __init__(self, handler: Any, kind: str, behavior: Any) -> None:
        self.request_streaming = handler.request_streaming
        self.response_streaming = handler.response_streaming
        self.request_deserializer = handler.request_deserializer
        self.response_serializer = handler.response_serializer
        for each in _KINDS:
            setattr(self, each, behavior if each == kind else None)


class Context:
    """The context of a handler in a thread; unlike others it would not tell the status set."""

    __slots__ = ("_context", "_status", "call")

    def __init__(self, context: Any, call: tuple[rpc.Calls, float] | None) -> None:
        self._context = context
        self._status: Any = None
        self.call = call

    @property  # type: ignore[misc]  # nobody sets it
    def __class__(self) -> Any:
        return type(self._context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __dir__(self) -> list[str]:
        return dir(self._context)

    def set_code(self, code: Any) -> Any:
        """As the context's own."""
        self._status = code
        return self._context.set_code(code)

    def abort(self, code: Any, *args: Any, **kwargs: Any) -> Any:
        """As the context's own, which ends the call; in old versions it never comes back."""
        self._status = code
        call, self.call = self.call, None
        end(call, self, None)
        return self._context.abort(code, *args, **kwargs)


def status_in_thread(context: Context) -> Any:
    """The status set; a handler in a thread is not stopped at the deadline."""
    left = context._context.time_remaining()
    return 4 if left is not None and left <= 0 else context._status


def counted(handler: Any, method: str) -> Handler:
    """The handler of this method, counted."""
    asked = "stream_" if handler.request_streaming else "unary_"
    kind = asked + ("stream" if handler.response_streaming else "unary")
    behavior = getattr(handler, kind)
    inspect = sys.modules["inspect"]
    if inspect.isasyncgenfunction(behavior):
        made = around_async_generator(behavior, method)
    elif inspect.iscoroutinefunction(behavior):
        if not handler.response_streaming:
            made = around_coroutine(behavior, method, handler.response_serializer)
            found = Handler(handler, kind, made)
            found.response_serializer = None
            return found
        made = around_coroutine(behavior, method)
    elif handler.response_streaming:
        made = around_generator(behavior, method)
    else:
        made = around_function(behavior, method)
    return Handler(handler, kind, made)


def begin(method: str) -> tuple[rpc.Calls, float] | None:
    """A call of the method begins."""
    try:
        calls = rpc.served(SYSTEM, method)
        calls.mem[0][calls.at] += 1.0
        return calls, perf_counter()
    except BaseException as error:
        failed(error)
        return None


def end(call: tuple[rpc.Calls, float] | None, context: Any, error: BaseException | None) -> None:
    """It is over; by its context's code unless it has raised."""
    if call is None:
        return
    try:
        code = status_in_thread(context) if type(context) is Context else context.code()
        if error is None or code:
            status = name_of(code or None)
        elif type(error).__name__ in ("CancelledError", "GeneratorExit"):
            left = context.time_remaining()
            late = left is not None and left < _CLOCKS
            status = "DEADLINE_EXCEEDED" if late else "CANCELLED"
        else:
            status = "UNKNOWN"
        call[0][status](call[1])
    except BaseException as ours:
        failed(ours)


def around_coroutine(behavior: Any, method: str, serializer: Any = None) -> Any:
    """`serializer`, of an answer that is one: it belongs to the call, which fails when it does."""

    async def counted_behavior(request: Any, context: Any) -> Any:
        call = begin(method)
        try:
            answer = await behavior(request, context)
            if serializer is not None and not context.code():  # else the answer is thrown away
                text = isinstance(answer, str)  # as `serialize` of cygrpc has it
                answer = serializer(answer.encode() if text else answer)
        except BaseException as error:
            end(call, context, error)
            raise
        end(call, context, None)
        return answer

    return counted_behavior


def around_async_generator(behavior: Any, method: str) -> Any:
    async def counted_behavior(request: Any, context: Any) -> Any:
        call = begin(method)
        answers = behavior(request, context)
        try:
            async for answer in answers:
                yield answer
        except BaseException as error:
            end(call, context, error)
            if type(error) is GeneratorExit:
                await answers.aclose()
            raise
        end(call, context, None)

    return counted_behavior


def around_function(behavior: Any, method: str) -> Any:
    def counted_behavior(request: Any, context: Any) -> Any:
        context = Context(context, begin(method))
        try:
            answer = behavior(request, context)
        except BaseException as error:
            end(context.call, context, error)
            raise
        end(context.call, context, None)
        return answer

    return counted_behavior


def around_generator(behavior: Any, method: str) -> Any:
    def counted_behavior(request: Any, context: Any) -> Any:
        context = Context(context, begin(method))
        try:
            yield from behavior(request, context)
        except BaseException as error:
            end(context.call, context, error)
            raise
        end(context.call, context, None)

    return counted_behavior
