"""What integrations of HTTP clients have in common: the wrapper around a call, and its sizes.

An integration gives three functions: `began(outer, client, args, kwargs)` makes the `Outgoing`, or
None for what belongs to the call `outer` under way; `returned(outgoing, answer, client, args,
kwargs)` and `broke(outgoing, error)` end it.
"""

from __future__ import annotations

from monagent import guard
from monagent.conventions.http_client import INSIDE, Upload
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from types import CodeType
    from typing import Any

KEY = "_monagent"
"""Attribute of a library's object under which its count lies."""


def failed(library: str, error: BaseException) -> None:
    """Something of ours broke while a call was measured; the call goes on."""
    guard.failed(library, error)
    if guard.off(library):
        undo(library)


def measured(library: str, original: Any, began: Any, returned: Any, broke: Any) -> Any:
    """A method of a client that does what `original` does, and is recorded."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = INSIDE.get()
        outgoing = None
        try:
            outgoing = began(outer, self, args, kwargs)
            if outgoing is not None and outgoing.owner is not None:
                INSIDE.set(outgoing)
        except BaseException as error:
            failed(library, error)
        if outgoing is None:
            return original(self, *args, **kwargs)
        try:
            answer = original(self, *args, **kwargs)
        except BaseException as error:
            try:
                left(outgoing, outer)
                broke(outgoing, error)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            left(outgoing, outer)
            returned(outgoing, answer, self, args, kwargs)
        except BaseException as error:
            failed(library, error)
        return answer

    return call


def measured_async(library: str, original: Any, began: Any, returned: Any, broke: Any) -> Any:
    """The same for a coroutine function."""

    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = INSIDE.get()
        outgoing = None
        try:
            outgoing = began(outer, self, args, kwargs)
            if outgoing is not None and outgoing.owner is not None:
                INSIDE.set(outgoing)
        except BaseException as error:
            failed(library, error)
        if outgoing is None:
            return await original(self, *args, **kwargs)
        try:
            answer = await original(self, *args, **kwargs)
        except BaseException as error:
            try:
                left(outgoing, outer)
                broke(outgoing, error)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            left(outgoing, outer)
            returned(outgoing, answer, self, args, kwargs)
        except BaseException as error:
            failed(library, error)
        return answer

    return call


def left(outgoing: Any, outer: Any) -> None:
    """Clients beneath are on their own again; also those in tasks that the call has left behind."""
    if outgoing.owner is not None:
        outgoing.owner = None
        INSIDE.set(outer)


def length(body: object) -> int | None:
    """Bytes of a body that is text, bytes or nothing; None for any other."""
    if body is None:
        return 0
    if isinstance(body, str):
        return len(body) if body.isascii() else len(body.encode("utf-8", "replace"))
    return len(body) if isinstance(body, (bytes, bytearray)) else None


def declared(headers: Any) -> int | None:
    """Bytes that a message's headers say its body has."""
    found = headers.get("content-length")
    return int(found) if found is not None and str(found).isdecimal() else None


def endless(body: object) -> bool:
    """Whether a body is an iterable of parts, whose sum nobody knows before it was sent."""
    if isinstance(body, (str, Upload)) or hasattr(body, "read") or not hasattr(body, "__iter__"):
        return False
    try:
        memoryview(body)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return True
    return False


def locals_of(codes: Container[CodeType], error: BaseException) -> dict[str, Any]:
    """The variables of the function with one of these codes that the error passed; or none.

    They tell what nobody else can say of a call that has raised: the answer whose body broke while
    the client read it, the redirects before.
    """
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return dict(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    return {}
