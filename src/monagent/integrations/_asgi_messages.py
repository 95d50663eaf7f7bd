"""What the messages say that an application sends over ASGI.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    Message = MutableMapping[str, Any]

LENGTH = b"content-length"

BODY = frozenset(
    f"http.response.{part}" for part in ("body", "pathsend", "zerocopysend", "trailers")
)


def declared(head: Message) -> float:
    """The length of the body that the start of a response promises, infinite where it does not."""
    value = header(head.get("headers"), LENGTH)
    # Of nothing, the end is an empty part.
    return int(value) if value.isdigit() and value != b"0" else float("inf")


def header(headers: object, wanted: bytes) -> bytes:
    """The value of a response's header, empty where there is none."""
    if isinstance(headers, (list, tuple)):  # Others can perhaps be read only once, by the server.
        try:
            for name, value in headers:
                if name.lower() == wanted:  # Django sends its own spelling.
                    return bytes(value)
        except (TypeError, ValueError, AttributeError):
            pass  # No pairs of bytes: the server will tell the application.
    return b""


def legible(message: Any) -> bool:
    """Whether it is a message at all."""
    get: Any = getattr(message, "get", None)
    kind = None if get is None else get("type")
    if kind == "http.response.start":
        return isinstance(get("status"), int)
    return isinstance(kind, str) and isinstance(get("body", b""), (bytes, bytearray, memoryview))


def extension(kind: str, message: Message, trailers: bool) -> tuple[int, bool]:
    """Bytes of the body that a message of an ASGI extension sends, and whether it is the last."""
    if kind == "http.response.trailers":
        return 0, not message.get("more_trailers", False)
    if kind not in BODY:
        return 0, False  # early hints, push and whatever comes
    try:
        size = _zero_copied(message) if "file" in message else os.stat(message["path"]).st_size
    except (LookupError, TypeError, ValueError, AttributeError, OSError):
        size = 0  # No file: the server will see that as well.
    return size, not message.get("more_body", False) and not trailers


def _zero_copied(message: Message) -> int:
    """Bytes from the offset, or the file's position, to the count or its end."""
    file, offset, count = message["file"], message.get("offset"), message.get("count")
    number = file if isinstance(file, int) else file.fileno()
    if offset is None:
        offset = os.lseek(number, 0, os.SEEK_CUR)
    rest: int = os.fstat(number).st_size - offset
    return max(0, rest if count is None else min(count, rest))
