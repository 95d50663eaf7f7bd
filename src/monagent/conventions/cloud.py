"""Operations of cloud services: remote calls whose clients try again, and words for their errors.

The calls count in `rpc`, once each; what carries them, HTTP, counts every try for itself.
"""

from __future__ import annotations

import os

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions import _open, rpc
from monagent.conventions._failures import failure
from monagent.conventions.http import OTHER
from monagent.metrics import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

_forks = [0]
os.register_at_fork(after_in_child=lambda: _forks.__setitem__(0, _forks[0] + 1))


class Operation:
    """One operation of a service at one peer: `begun = begin()`, then `ended` or `failed`.

    `stream` is what its answers call the part that is read at leisure, None where they have none.
    """

    __slots__ = ("_active", "_done", "_labels", "stream")

    def __init__(self, system: str, method: str, peer: Peer, stream: str | None = None) -> None:
        self.stream = stream
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

    def dropped(self, begun: float, last: float) -> None:
        """The application has let go of an answer of which it has last read at this time."""
        self._active(-1.0)
        self._done(last - begun)

    def failed(self, begun: float, error: BaseException, code: str | None) -> None:
        """The call has raised: with what the service has answered, None for other errors."""
        seconds = perf_counter() - begun
        self._active(-1.0)
        status = None if code is None else bounded(code)
        rpc.CLIENT_DURATION.bind(*self._labels, status, status or failure(error))(seconds)


class Streamed:
    """A call whose answer the application reads at its leisure; `end` counts it, once.

    It ends with its last reference or with the program at the latest, but not in a forked child,
    where the parent's calls are nobody's; it has lasted then until somebody read of it, `last`.
    `left` is how many bytes of a body are to come, None where nobody can tell.
    """

    __slots__ = ("_begun", "_forks", "_operation", "last", "left")

    def __init__(self, operation: Operation, begun: float, left: int | None) -> None:
        self._operation: Operation | None = operation
        self._begun = begun
        self._forks = _forks[0]
        self.last = perf_counter()
        self.left = left

    def end(self, error: BaseException | None = None, code: str | None = None) -> None:
        """The answer was read to its end, closed, or broken by `error`."""
        operation = self._taken()
        if operation is None:
            return
        if error is None or isinstance(error, GeneratorExit):  # closed early, by choice
            operation.ended(self._begun)
        else:
            operation.failed(self._begun, error, code)

    def _taken(self) -> Operation | None:
        operation = getattr(self, "_operation", None)  # not there if its making has failed
        self._operation = None
        return operation if operation is None or self._forks == _forks[0] else None

    def __reduce__(self) -> Any:
        return type(None), ()  # A copy of an answer elsewhere is no call.

    def __del__(self) -> None:
        try:
            operation = self._taken()
            if operation is not None:
                operation.dropped(self._begun, self.last)
        except BaseException as error:
            guard.failed("cloud", error)


_open.watch(Streamed, rpc.CLIENT_ACTIVE)


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
