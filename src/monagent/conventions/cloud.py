"""Operations of cloud services: remote calls whose clients try again, and words for their errors.

The calls count in `rpc`, once each; what carries them, HTTP, counts every try for itself.
"""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions import rpc
from monagent.conventions._failures import failure
from monagent.conventions.http import OTHER
from monagent.metrics import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.conventions._peers import Peer

RETRIES = Counter(
    "rpc.client.call.retries",
    unit="{retry}",
    help="Further tries within outgoing calls, by what the try before has failed with.",
    labels=(
        "rpc.system.name", "rpc.method", "server.address", "server.port", "peer.service", "reason",
    ),
)  # fmt: skip

_MOST_WORDS = 300
_LONGEST = 80
_words: set[str] = set()


class Operation:
    """One operation of a service at one peer: `begun = begin()`, then `ended` or `failed`."""

    __slots__ = ("_active", "_done", "_labels")

    def __init__(self, system: str, method: str, peer: Peer) -> None:
        self._labels = (system, rpc.known(method), *peer.labels)
        self._active = rpc.CLIENT_ACTIVE.bind(*self._labels)
        self._done = rpc.CLIENT_DURATION.bind(*self._labels, rpc.OK, None)

    def begin(self) -> float:
        """One more call is under way."""
        self._active(1.0)
        return perf_counter()

    def ended(self, begun: float) -> None:
        """The service has done what it was asked for."""
        seconds = perf_counter() - begun
        self._active(-1.0)
        self._done(seconds)

    def failed(self, begun: float, error: BaseException, code: str | None) -> None:
        """The call has raised: with what the service has answered, None for other errors."""
        seconds = perf_counter() - begun
        self._active(-1.0)
        status = None if code is None else bounded(code)
        rpc.CLIENT_DURATION.bind(*self._labels, status, status or failure(error))(seconds)


def retried(system: str, method: str, peer: Peer, reason: str) -> None:
    """A client tries a call once more."""
    RETRIES.bind(system, rpc.known(method), *peer.labels, bounded(reason))(1.0)


def bounded(code: str) -> str:
    """A code that a server has sent, as a label: the first few hundred words of them."""
    if code in _words:
        return code
    plain = code.replace(".", "").replace("_", "").replace("-", "")
    if len(code) > _LONGEST or not plain.isalnum() or len(_words) >= _MOST_WORDS:
        return OTHER
    _words.add(code)
    return code
