"""Bodies of urllib3's responses: how many bytes came over the wire, and how a stream ended.

Counted where urllib3 itself reads them, so nothing is consumed and no object is replaced.
"""

from __future__ import annotations

import sys

from monagent.conventions.http_client import Streamed
from monagent.integrations._http_client import KEY, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

CHUNKED = "_monagent_chunked"
"""Bytes read as chunks, which urllib3 leaves out of its own count."""

codes: set[CodeType] = set()
"""Of urllib3's functions that read a body."""

_catchers: list[Any] = []  # our wrappers of _error_catcher


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
            self._end(error)
            raise
        if raised[1] is not None and not swallowed:
            self._end(raised[1])
        # Otherwise `read` counts the bytes behind us.
        elif sys._getframe(1).f_code.co_name == "read_chunked" and self._response.closed:
            self._end(None)
        return swallowed

    def _end(self, error: BaseException | None) -> None:
        try:
            ended(self._response, self._streamed, error)
        except BaseException as ours:
            failed("urllib3", ours)


def catching(original: Any) -> Any:
    """Wrapper of `HTTPResponse._error_catcher`."""

    def _error_catcher(self: Any) -> Any:
        catcher = original(self)
        try:
            streamed = vars(self).get(KEY)
            return catcher if streamed is None else Catcher(catcher, self, streamed)
        except BaseException as error:
            failed("urllib3", error)
            return catcher

    _catchers.append(_error_catcher)
    return _error_catcher


def reading(original: Any) -> Any:
    """Wrapper of `HTTPResponse.read` and `read1`."""
    codes.add(original.__code__)

    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        data = original(self, *args, **kwargs)
        try:
            streamed = vars(self).get(KEY)
            if streamed is not None and self.closed:
                ended(self, streamed, None)
        except BaseException as error:
            failed("urllib3", error)
        return data

    return read


def chunking(original: Any) -> Any:
    """Wrapper of `HTTPResponse._handle_chunk`."""

    def _handle_chunk(self: Any, *args: Any, **kwargs: Any) -> Any:
        chunk = original(self, *args, **kwargs)
        try:
            kept = vars(self)
            kept[CHUNKED] = kept.get(CHUNKED, 0) + len(chunk)
        except BaseException as error:
            failed("urllib3", error)
        return chunk

    return _handle_chunk


def closing(original: Any) -> Any:
    """Wrapper of `HTTPResponse.close`."""

    def close(self: Any) -> Any:
        try:
            streamed = vars(self).get(KEY)
            # urllib3 also closes what has a wrong chunk, and says so only then: see Catcher.
            if streamed is not None and sys._getframe(1).f_code.co_name != "_update_chunk_length":
                ended(self, streamed, None)
        except BaseException as error:
            failed("urllib3", error)
        return original(self)

    return close


def unfinished(raw: Any) -> bool:
    """Whether bytes of this response may be to come, and we shall see them."""
    return getattr(type(raw), "_error_catcher", None) in _catchers and not raw.closed


def follow(raw: Any, streamed: Streamed) -> None:
    """Count the call when this response is over."""
    vars(raw)[KEY] = streamed


def ended(raw: Any, streamed: Streamed, error: BaseException | None) -> None:
    """The response was read, closed or broken."""
    vars(raw).pop(KEY, None)
    streamed.end(received(raw), error)


def received(raw: Any) -> int | None:
    """Bytes of the body that came over the wire; None for a body that is not urllib3's."""
    try:
        return int(raw._fp_bytes_read + vars(raw).get(CHUNKED, 0))
    except (AttributeError, TypeError):
        return None
