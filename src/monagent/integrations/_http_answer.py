"""Answers of http.client: how many bytes of the body were read, and how reading ended.

Counted on the file that the answer reads from. What stands in for that file knows nothing of the
answer, so `reader = urlopen(url).read` works as before, and an answer goes with its last reference.
"""

from __future__ import annotations

import sys

from monagent.conventions.http_client import Calls, Streamed, Upload
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Body:
    """Stands in for the file of one answer, whose every read goes through it."""

    __slots__ = (
        "_chunk", "_chunked", "_ended", "_file", "_library", "_received", "_size", "_streamed",
    )  # fmt: skip

    def __init__(self, response: Any, streamed: Streamed, library: str) -> None:
        self._file = response.fp
        self._library = library
        self._streamed: Streamed | None = streamed
        self._size: int | None = response.length
        self._chunked = bool(response.chunked)
        self._received = 0
        self._chunk = 0  # bytes to come of the present chunk, with the line's end behind it
        self._ended = False  # the last chunk was announced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, amount: Any = -1) -> Any:
        """As the file's; fewer bytes than asked for are the last."""
        try:
            data = self._file.read(amount)
        except BaseException as error:
            self._broke(error)
            raise
        self._got(data, amount is None or not 0 <= amount <= len(data))
        return data

    def read1(self, amount: Any = -1) -> Any:
        """As the file's; no bytes are its end."""
        try:
            data = self._file.read1(amount)
        except BaseException as error:
            self._broke(error)
            raise
        self._got(data, not data and amount != 0)
        return data

    def readinto(self, buffer: Any) -> Any:
        """As the file's; a buffer that is not filled is its end."""
        try:
            count = self._file.readinto(buffer)
        except BaseException as error:
            self._broke(error)
            raise
        self._got(range(count or 0), (count or 0) < len(buffer))
        return count

    def readline(self, limit: Any = -1) -> Any:
        """As the file's; of a chunked body these lines tell the sizes of chunks."""
        try:
            line = self._file.readline(limit)
        except BaseException as error:
            self._broke(error)
            raise
        if self._chunked and line:
            self._announced(line)
        else:
            self._got(line, not line and limit != 0)
        return line

    def close(self) -> None:
        """By the answer, which has read all or was closed early."""
        try:
            self._end(None)
        except BaseException as error:
            failed(self._library, error)
        self._file.close()

    def _got(self, data: Any, last: bool) -> None:
        try:
            if self._streamed is None:
                return
            if self._chunked:
                self._chunk -= len(data)
            else:
                self._received += len(data)
            if self._chunked:
                short = last and not self._ended
            else:
                short = last and self._size is not None and self._received < self._size
            if short:
                self._end(sys.modules["http.client"].IncompleteRead(b""))
            elif self._size is not None and self._received >= self._size:
                self._end(None)
        except BaseException as error:
            failed(self._library, error)

    def _announced(self, line: bytes) -> None:
        try:
            if self._streamed is not None and not self._ended:
                size = int(line.partition(b";")[0], 16)
                self._received += size
                self._chunk = size + 2
                self._ended = not size
        except ValueError:
            pass  # The answer will say so.
        except BaseException as error:
            failed(self._library, error)

    def _broke(self, error: BaseException) -> None:
        try:
            self._end(error)
        except BaseException as ours:
            failed(self._library, ours)

    def _end(self, error: BaseException | None) -> None:
        streamed, self._streamed = self._streamed, None
        if streamed is not None:
            unread = max(0, self._chunk - 2) if self._chunked else 0
            streamed.end(self._received - unread, error)


def follow(library: str, response: Any, calls: Calls, seconds: float, sent: int) -> None:
    """Count the call when this answer was read, closed or broken; now if it has no body."""
    status = response.status
    if response.fp is None or response.length == 0:
        calls[status](seconds, sent, 0)
    else:
        response.fp = Body(response, calls.streams(seconds, status, sent), library)


def taken(response: Any, upload: Upload) -> None:
    """The request had this body."""
    response._monagent_sent = upload.sent


def sent(response: Any) -> int:
    """Bytes of a request's body that had no length; -1 where they were not counted."""
    return int(getattr(response, "_monagent_sent", -1))


def length(body: Any, *headers: Any) -> int:
    """Bytes of a request's body, by itself or by the headers; -1 when they do not tell."""
    if body is None:
        return 0
    if isinstance(body, (bytes, bytearray, str)):  # Text goes out as Latin-1.
        return len(body)
    for given in headers:
        for name, value in given.items():
            if str(name).lower() == "content-length" and str(value).isdecimal():
                return int(value)
    return -1
