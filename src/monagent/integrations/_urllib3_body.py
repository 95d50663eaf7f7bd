"""Bodies of urllib3's responses: how many bytes came over the wire, and how a stream ended.

Counted where urllib3 itself reads them, so nothing is consumed and no object is replaced. A
response carries `_monagent`, the call to be counted at its end; `_monagent_chunked`, the bytes read
as chunks, which urllib3 leaves out of its own count; and `_monagent_sent`, the bytes of a request's
body that had no length.
"""

from __future__ import annotations

import sys
from weakref import ref

from monagent.conventions.http_client import Streamed, Upload
from monagent.integrations._http_client import Reading, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Catcher:
    """urllib3's context manager around a read, which turns errors into its own, and our look."""

    __slots__ = ("_catcher", "_response", "_streamed")

    def __init__(self, catcher: Any, response: Any, streamed: Streamed) -> None:
        self._catcher = catcher
        self._response = response
        self._streamed = streamed

    def __enter__(self) -> Any:
        return self._catcher.__enter__()

    def __exit__(self, *raised: Any) -> Any:
        try:
            swallowed = self._catcher.__exit__(*raised)
        except BaseException as error:
            try:
                ended(self._response, self._streamed, -1, error)
            except BaseException as ours:
                failed("urllib3", ours)
            raise
        try:
            if raised[1] is not None and not swallowed:
                left = isinstance(raised[1], GeneratorExit)  # early, by choice
                count = received(self._response) if left else -1
                ended(self._response, self._streamed, count, raised[1])
            elif self._response.closed:
                ended(self._response, self._streamed, whole(self._response, sys._getframe(1)))
        except BaseException as error:
            failed("urllib3", error)
        return swallowed


class Catching:
    """Takes the place of a streamed response's `_error_catcher`, on that response alone.

    It does not hold the response, which must go with its last reference and let go its connection.
    """

    __slots__ = ("_response", "_streamed")

    def __init__(self, response: Any, streamed: Streamed) -> None:
        self._response = ref(response)
        self._streamed = streamed

    def __call__(self) -> Any:
        response: Any = self._response()
        return Catcher(type(response)._error_catcher(response), response, self._streamed)


def chunking(original: Any) -> Any:
    """Wrapper of `HTTPResponse._handle_chunk`."""

    def _handle_chunk(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = getattr(self, "_fp_bytes_read", None)
        chunk = original(self, *args, **kwargs)
        try:
            if getattr(self, "_fp_bytes_read", None) == before:  # the fork counts it
                self._monagent_chunked = getattr(self, "_monagent_chunked", 0) + len(chunk)
        except BaseException as error:
            failed("urllib3", error)
        return chunk

    return _handle_chunk


def closing(original: Any) -> Any:
    """Wrapper of `HTTPResponse.close`."""

    def close(self: Any) -> Any:
        try:
            streamed = getattr(self, "_monagent", None)
            if streamed is not None:
                frame = sys._getframe().f_back  # None when the interpreter ends
                # urllib3 also closes what has a wrong chunk, and says so only then: see Catcher.
                if frame is None or frame.f_code.co_name != "_update_chunk_length":
                    ended(self, streamed, received(self))
        except BaseException as error:
            failed("urllib3", error)
        return original(self)

    return close


def unfinished(raw: Any) -> bool:
    """Whether bytes of this response may be to come, and we shall see them."""
    counts = getattr(raw, "_fp_bytes_read", None).__class__ is int  # no mock's
    return counts and hasattr(raw, "_error_catcher") and not raw.closed


def follow(raw: Any, streamed: Streamed) -> None:
    """Count the call when this response is over."""
    raw._monagent = streamed
    raw._error_catcher = Catching(raw, streamed)


def ended(raw: Any, streamed: Streamed, received: int, error: BaseException | None = None) -> None:
    """The response was read, closed or broken."""
    raw._monagent = None
    if "_error_catcher" in vars(raw):
        del raw._error_catcher
    streamed.end(received, error)


def whole(raw: Any, reader: Any) -> int:
    """Bytes of a body that the function of the frame `reader` has read to its end.

    Outside of `read_chunked` urllib3 counts the last piece, `data`, after it has looked for errors.
    """
    count = received(raw)
    if reader.f_code.co_name != "read_chunked":
        count += len(reader.f_locals.get("data") or b"")
    return count


def sending(response: Any, upload: Upload | Reading) -> None:
    """The request had this body."""
    response._monagent_sent = upload.sent


def sent(raw: Any) -> int:
    """Bytes of a request's body that had no length; -1 where it had one."""
    count = getattr(raw, "_monagent_sent", -1)
    return count if count.__class__ is int else -1


def received(raw: Any) -> int:
    """Bytes of the body that came over the wire; -1 for a body that is not urllib3's."""
    count = getattr(raw, "_fp_bytes_read", None)
    if count.__class__ is not int:
        return -1
    return int(count + getattr(raw, "_monagent_chunked", 0))
