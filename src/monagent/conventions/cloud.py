"""Cloud services: calls of their operations. What carries them, HTTP, counts for itself.

A call is the logical one, tries that the client repeats within.
https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/
"""

from __future__ import annotations

from time import perf_counter

from monagent.conventions._failures import failure
from monagent.conventions.http import EDGES, OTHER
from monagent.metrics import Counter, Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.conventions._peers import Peer

    Status = Callable[[BaseException], "str | None"]

_CALL = ("rpc.system.name", "rpc.method", "server.address", "server.port", "peer.service")

DURATION = Histogram(
    "rpc.client.call.duration",
    unit="s",
    help="Time of outgoing remote procedure calls, retries within.",
    labels=(*_CALL, "rpc.response.status_code", "error.type"),
    buckets=EDGES,
)
RETRIES = Counter(
    "rpc.client.call.retries",
    unit="{retry}",
    help="Further tries within outgoing calls, by what the try before has failed with.",
    labels=(*_CALL, "reason"),
)

_MOST_WORDS = 300
_LONGEST = 80
_words: set[str] = set()


class Outgoing:
    """`with Outgoing("aws-api", "S3/GetObject", peer):` counts the call that is made within.

    `status` tells the code of an error that the server has answered with, None for other errors.
    """

    __slots__ = ("_begun", "_labels", "_status")

    def __init__(self, system: str, method: str, peer: Peer, status: Status) -> None:
        self._labels = (system, method, *peer.labels)
        self._status = status

    def __enter__(self) -> Outgoing:
        self._begun = perf_counter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        seconds = perf_counter() - self._begun
        status = word = None
        if error is not None:
            status = self._status(error)
            if status is not None:
                status = bounded(status)
            word = status or failure(error)
        DURATION.bind(*self._labels, status, word)(seconds)


def retried(system: str, method: str, peer: Peer, reason: str) -> None:
    """A client tries a call once more."""
    RETRIES.bind(system, method, *peer.labels, bounded(reason))(1.0)


def bounded(code: str) -> str:
    """A code that a server has sent, as a label: the first few hundred words of them."""
    if code in _words:
        return code
    plain = code.replace(".", "").replace("_", "").replace("-", "")
    if len(code) > _LONGEST or not plain.isalnum() or len(_words) >= _MOST_WORDS:
        return OTHER
    _words.add(code)
    return code
