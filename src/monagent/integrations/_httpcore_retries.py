"""httpcore's further tries to connect, which a transport of httpx makes under `retries=`.

httpcore asks for a delay before each; nothing is run for connections that are made at once.
"""

from __future__ import annotations

import sys

from monagent.conventions._peers import of
from monagent.conventions.http_client import resent
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def delaying(library: str, original: Any) -> Any:
    """Wrapper of their `exponential_backoff`."""

    def exponential_backoff(*args: Any, **kwargs: Any) -> Any:
        for delay in original(*args, **kwargs):
            try:
                connecting(sys._getframe(1))
            except BaseException as error:
                failed(library, error)
            yield delay

    return exponential_backoff


def connecting(frame: Any) -> None:
    """The connection whose function runs in this frame is to be tried once more."""
    origin = frame.f_locals["self"]._origin
    resent(of(origin.scheme.decode("ascii"), origin.host.decode("ascii"), origin.port), "connect")
