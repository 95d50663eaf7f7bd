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
    """What a server asks of a handler, with one function in another's place.

    A single request the function deserializes: it belongs to the call, which fails when it cannot.
    """

    def __init__(self, handler: Any, kind: str, behavior: Any) -> None:
        self.request_streaming = handler.request_streaming
        self.response_streaming = handler.response_streaming
        streaming = handler.request_streaming
        self.request_deserializer = handler.request_deserializer if streaming else None
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


def status_on_loop(context: Any) -> Any:
    """The status set; one that is sent after the deadline reaches nobody.

    A handler that waits for requests is not always stopped there: they may end for it.
    """
    left = context.time_remaining()
    return 4 if left is not None and left <= 0 and not context.done() else context.code()


def counted(handler: Any, method: str) -> Handler:
    """The handler of this method, counted."""
    kind = "stream_" if handler.request_streaming else "unary_"
    kind += "stream" if handler.response_streaming else "unary"
    behavior = getattr(handler, kind)
    inspect = sys.modules["inspect"]
    if inspect.isasyncgenfunction(behavior):
        made = around_async_generator(behavior, method, reader_of(handler))
    elif inspect.iscoroutinefunction(behavior) and handler.response_streaming:
        made = around_coroutine(behavior, method, reader_of(handler))
    else:
        return serializing(handler, kind, method, inspect.iscoroutinefunction(behavior))
    return Handler(handler, kind, made)


def serializing(handler: Any, kind: str, method: str, coroutine: bool) -> Handler:
    """A handler that serializes its answers: it belongs to the call, which fails when it does.

    Where the program can write messages by hand too, the server itself must.
    """
    behavior, serializer = getattr(handler, kind), handler.response_serializer
    reader = reader_of(handler)
    if coroutine:
        made = around_coroutine(behavior, method, reader, serializer)
    elif handler.response_streaming:
        made = around_generator(behavior, method, reader, serializer)
    else:
        made = around_function(behavior, method, reader, serializer)
    found = Handler(handler, kind, made)
    found.response_serializer = None
    return found


def reader_of(handler: Any) -> Any:
    """What deserializes the request; a stream's are read, and deserialized, in the handler."""
    return None if handler.request_streaming else handler.request_deserializer


def asked(request: Any, reader: Any) -> Any:
    """As `deserialize` of cygrpc has it."""
    return reader(request) if reader else request


def serialized(answer: Any, serializer: Any, code: Any = None) -> Any:
    """As `serialize` of cygrpc has it; beside an error the server throws the answer away."""
    if serializer is None or name_of(code) != rpc.OK:
        return answer
    return serializer(answer.encode() if isinstance(answer, str) else answer)


def unsendable(answer: Any) -> TypeError | None:
    """What the server raises over an answer that is no bytes: it sends None and text as well."""
    fine = answer is None or type(answer) is bytes or isinstance(answer, str)
    return None if fine else TypeError()


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
        thread = type(context) is Context
        status = name_of(status_in_thread(context) if thread else status_on_loop(context))
        if error is None or status != rpc.OK:
            pass
        elif type(error) is GeneratorExit and not thread and context.done():
            status = "UNKNOWN"  # An item could not be sent, and the server has said so.
        elif type(error).__name__ in ("CancelledError", "GeneratorExit"):
            left = context.time_remaining()
            late = left is not None and left < _CLOCKS
            status = "DEADLINE_EXCEEDED" if late else "CANCELLED"
        else:
            status = "UNKNOWN"
        call[0][status](call[1])
    except BaseException as ours:
        failed(ours)


def around_coroutine(behavior: Any, method: str, reader: Any, serializer: Any = None) -> Any:
    async def counted_behavior(request: Any, context: Any) -> Any:
        call = begin(method)
        try:
            answer = await behavior(asked(request, reader), context)
            answer = serialized(answer, serializer, context.code())
        except BaseException as error:
            end(call, context, error)
            raise
        end(call, context, unsendable(answer))
        return answer

    return counted_behavior


def around_async_generator(behavior: Any, method: str, reader: Any) -> Any:
    async def counted_behavior(request: Any, context: Any) -> Any:
        call = begin(method)
        try:
            answers = behavior(asked(request, reader), context)
            async for answer in answers:
                yield answer
        except BaseException as error:
            end(call, context, error)
            if type(error) is GeneratorExit:
                await answers.aclose()
            raise
        end(call, context, None)

    return counted_behavior


def around_function(behavior: Any, method: str, reader: Any, serializer: Any) -> Any:
    def counted_behavior(request: Any, context: Any) -> Any:
        context = Context(context, begin(method))
        try:
            answer = behavior(asked(request, reader), context)
            answer = serialized(answer, serializer, context._status)
        except BaseException as error:
            end(context.call, context, error)
            raise
        end(context.call, context, unsendable(answer))
        return answer

    return counted_behavior


def around_generator(behavior: Any, method: str, reader: Any, serializer: Any) -> Any:
    def counted_behavior(request: Any, context: Any) -> Any:
        context, refused = Context(context, begin(method)), None
        try:
            for answer in behavior(asked(request, reader), context):
                item = serialized(answer, serializer)
                refused = refused or unsendable(item)
                yield item
        except BaseException as error:
            end(context.call, context, error)
            raise
        end(context.call, context, refused)

    return counted_behavior
