"""Operations of cloud services: remote calls whose clients try again, and words for their errors.

The calls count in `rpc`, once each; what carries them, HTTP, counts every try for itself.
"""

from __future__ import annotations

from time import perf_counter

from monagent.conventions import rpc
from monagent.conventions._failures import failure
from monagent.conventions.http import OTHER
from monagent.metrics import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.conventions._peers import Peer

    Code = Callable[[BaseException], "str | None"]

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


class Outgoing:
    """`with Outgoing("aws-api", "S3/GetObject", peer, code):` counts the call made within.

    `code` tells what the service has answered with, None for an error that is not its own.
    """

    __slots__ = ("_begun", "_code", "_labels")

    def __init__(self, system: str, method: str, peer: Peer, code: Code) -> None:
        self._labels = (system, rpc.known(method), *peer.labels)
        self._code = code

    def __enter__(self) -> Outgoing:
        rpc.CLIENT_ACTIVE.bind(*self._labels)(1.0)
        self._begun = perf_counter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        seconds = perf_counter() - self._begun
        rpc.CLIENT_ACTIVE.bind(*self._labels)(-1.0)
        status: str | None = rpc.OK
        word = None
        if error is not None:
            answered = self._code(error)
            status = None if answered is None else bounded(answered)
            word = status or failure(error)
        rpc.CLIENT_DURATION.bind(*self._labels, status, word)(seconds)


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
