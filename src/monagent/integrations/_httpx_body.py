"""Bodies of httpx: streams that the application reads or writes at its leisure, counted in passing.

An answer's stream is set into httpx's own (private) holder, so `response.stream` stays what it is.
"""

from __future__ import annotations

from monagent.conventions.http_client import Streamed
from monagent.integrations._http_client import declared, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any


class Body:
    """Stands between httpx and the transport's stream; `Streamed` ends with it."""

    __slots__ = ("_stream", "_streamed", "received")

    def __init__(self, stream: Any, streamed: Streamed) -> None:
        self._stream = stream
        self._streamed = streamed
        self.received = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._stream:
                self.received += len(chunk)
                yield chunk
        except BaseException as error:
            self.end(error)
            raise

    def close(self) -> None:
        self.end(None)
        self._stream.close()

    def __aiter__(self) -> Items:
        return Items(self, self._stream.__aiter__())

    async def aclose(self) -> None:
        self.end(None)
        await self._stream.aclose()

    def end(self, error: BaseException | None) -> None:
        """It was read, closed or broken."""
        try:
            self._streamed.end(self.received, error)
        except BaseException as ours:
            failed("httpx", ours)


class Items:
    """The parts of an async body. Not a generator, which would have to be closed where the library
    closes its own: all but the next part is left to that one."""

    __slots__ = ("_body", "_items")

    def __init__(self, body: Body, items: Any) -> None:
        self._body = body
        self._items = items

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await self._items.__anext__()
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._body.end(error)
            raise
        self._body.received += len(chunk)
        return chunk

    async def asend(self, value: Any) -> Any:
        return await self._items.asend(value)

    async def athrow(self, *error: Any) -> Any:
        return await self._items.athrow(*error)

    async def aclose(self) -> None:
        if hasattr(self._items, "aclose"):
            await self._items.aclose()


def streams(response: Any) -> bool:
    """Whether bytes of this answer may be to come, and we shall see them."""
    return not response.is_closed and hasattr(response.stream, "_stream")


def follow(response: Any, streamed: Streamed) -> None:
    """Count the call when the stream of its answer is over."""
    holder = response.stream
    holder._stream = Body(holder._stream, streamed)


def counting(original: Any) -> Any:
    """Wrapper of the `__iter__` of a request's body that has no length."""

    def __iter__(self: Any) -> Iterator[bytes]:
        count = 0
        for part in original(self):
            count += len(part)
            self._monagent = count
            yield part

    return __iter__


def counting_async(original: Any) -> Any:
    """The same for `__aiter__`."""

    async def __aiter__(self: Any) -> AsyncIterator[bytes]:
        count = 0
        async for part in original(self):
            count += len(part)
            self._monagent = count
            yield part

    return __aiter__


def uploaded(request: Any) -> int:
    """Bytes of a request's body that is not simply bytes; -1 when they cannot be told."""
    count = int(getattr(request.stream, "_monagent", -1))
    return declared(request.headers) if count < 0 else count
