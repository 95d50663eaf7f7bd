"""Answers of http.client: how many bytes of the body were read, and how reading ended.

Counted on the file that the answer reads from. What stands in for that file knows nothing of the
answer, so `reader = urlopen(url).read` works as before, and an answer goes with its last reference.
"""

from __future__ import annotations

import sys

from monagent.conventions.http_client import Calls, Streamed, Upload, _forks
from monagent.integrations import _http_client
from monagent.integrations._http_client import Reading, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Body(Streamed):
    """Stands in for the file of one answer, whose every read goes through it."""

    __slots__ = ("_chunk", "_chunked", "_ended", "_file", "_library", "_received", "_size")

    def __init__(
        self, response: Any, calls: Calls, seconds: float, sent: int, library: str
    ) -> None:
        # What Streamed has, without a call.
        self._calls = calls
        self._forks = _forks[0]
        self._seconds = seconds
        self._status = response.status
        self._sent = sent
        self._file = response.fp
        self._library = library
        self._size: int | None = response.length
        self._chunked = response.chunked
        self._received = 0
        self._chunk = 0  # bytes to come of the present chunk, with the line's end behind it
        self._ended = False  # the last chunk was announced

    def __del__(self) -> None:
        try:
            if getattr(self, "_calls", None) is not None:
                self.end(-1)
        except BaseException as error:
            failed("http", error)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not there if its making has failed
            raise AttributeError(name)
        return getattr(self._file, name)

    def read(self, amount: Any = -1) -> Any:
        """As the file's; fewer bytes than asked for are the last."""
        try:
            data = self._file.read(amount)
        except BaseException as error:
            self._broke(error)
            raise
        if self._calls is not None:
            self._got(len(data), amount is None or not 0 <= amount <= len(data))
        return data

    def read1(self, amount: Any = -1) -> Any:
        """As the file's; no bytes are its end."""
        try:
            data = self._file.read1(amount)
        except BaseException as error:
            self._broke(error)
            raise
        if self._calls is not None:
            self._got(len(data), not data and amount != 0)
        return data

    def readinto(self, buffer: Any) -> Any:
        """As the file's; a buffer that is not filled is its end."""
        try:
            count = self._file.readinto(buffer)
        except BaseException as error:
            self._broke(error)
            raise
        if self._calls is not None:
            self._got(count or 0, (count or 0) < len(buffer))
        return count

    def readline(self, limit: Any = -1) -> Any:
        """As the file's; of a chunked body these lines tell the sizes of chunks."""
        try:
            line = self._file.readline(limit)
        except BaseException as error:
            self._broke(error)
            raise
        if self._calls is not None:
            if self._chunked and line:
                self._announced(line)
            else:
                self._got(len(line), not line and limit != 0)
        return line

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        line: bytes = self.readline()
        if not line:
            raise StopIteration
        return line

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """By the answer, which has read all or was closed early."""
        if self._calls is not None:
            try:
                self.end(self._received - (max(0, self._chunk - 2) if self._chunked else 0))
            except BaseException as error:
                failed(self._library, error)
        self._file.close()

    def _got(self, count: int, last: bool) -> None:
        try:
            if self._chunked:
                self._chunk -= count
                if last and not self._ended:
                    self.end(-1, short())
                return
            self._received = received = self._received + count
            if received == self._size:  # `end`, without a call
                calls, self._calls = self._calls, None
                if calls is not None and self._forks == _forks[0]:
                    calls[self._status](self._seconds, self._sent, received)
            elif last and self._size is not None:
                self.end(-1, short())
        except BaseException as error:
            failed(self._library, error)

    def _announced(self, line: bytes) -> None:
        try:
            if not self._ended:
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
            self.end(-1, error)
        except BaseException as ours:
            failed(self._library, ours)


_OWN = frozenset((*Streamed.__slots__, *Body.__slots__))


def short() -> BaseException:
    """What a body is said to have ended with that ends before its end."""
    found: BaseException = sys.modules["http.client"].IncompleteRead(b"")
    return found


def follow(library: str, response: Any, calls: Calls, seconds: float, sent: int) -> None:
    """Count the call when this answer was read, closed or broken; now if it has no body."""
    if response.fp is None or response.length == 0:
        calls[response.status](seconds, sent, 0)
    else:
        response.fp = Body(response, calls, seconds, sent, library)


def taken(response: Any, upload: Upload | Reading) -> None:
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
    return _http_client.length(body)
