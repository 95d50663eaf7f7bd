"""What HTTP servers are made of: worker processes, threads, accepted and waiting connections.

OpenTelemetry has no names for them yet.  Whoever starts the workers (gunicorn's master, uvicorn's
parent) records them, so a worker that is killed cannot take the count with it.  What only a look
can tell, as busy threads, is at most 5 seconds old; what waits in listening sockets the exporter
sees.
"""

from __future__ import annotations

import os

from monagent import guard
from monagent.metrics import Counter, Gauge, UpDownCounter, sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Threads = Callable[[], tuple[int, int, int] | None]

EXIT, ERROR, KILLED, TIMEOUT, MAX_REQUESTS, UNKNOWN = (
    *("exit", "error", "killed", "timeout", "max_requests", "unknown"),
)
"""Why a worker ended: in order, by an error, by a signal, by its supervisor since it hung, after as
many requests as it was to serve, not to be told."""

WORKERS = UpDownCounter(
    "http.server.workers",
    unit="{process}",
    help="Worker processes alive, of servers that supervise workers.",
    labels=("server",),
)
STARTS = Counter(
    "http.server.worker.starts",
    unit="{process}",
    help="Worker processes started, the first ones too.",
    labels=("server",),
)
EXITS = Counter(
    "http.server.worker.exits",
    unit="{process}",
    help="Worker processes that ended, by reason; a signal that kills is no timeout of the server.",
    labels=("server", "reason"),
)
ACCEPTED = Counter(
    "http.server.connections.accepted",
    unit="{connection}",
    help="Connections that the server took; many per request tell that they are not kept alive.",
    labels=("server",),
)
BACKLOG = Gauge(
    "http.server.backlog",
    unit="{connection}",
    help="Connections that wait in the listening sockets for the server to take them.",
    labels=("server",),
    merge="sum",
)
THREADS = Gauge(
    "http.server.threads",
    unit="{thread}",
    help="Threads that the server has for requests, at most.",
    labels=("server",),
    merge="sum",
)
BUSY = Gauge(
    "http.server.threads.busy",
    unit="{thread}",
    help="Threads of the server that work on a request.",
    labels=("server",),
    merge="sum",
)
PENDING = Gauge(
    "http.server.threads.pending_requests",
    unit="{request}",
    help="Requests that wait for the server to have a thread for them.",
    labels=("server",),
    merge="sum",
)

_alive: dict[int, str] = {}
_unwatched: dict[int, Any] = {}  # Whose end their supervisor may not notice.
_doomed: dict[int, str] = {}
_limited: set[int] = set()  # Who may serve so many requests, and then ends in order, unasked.
_listening: set[tuple[str, int]] = set()
_pools: list[tuple[str, Threads]] = []
_served: list[int] = []
_sampled: list[bool] = []

_ASKED = (0, -2, -15)  # SIGINT, SIGTERM: what a supervisor ends its workers by.


def _forked() -> None:
    for kept in (_alive, _unwatched, _doomed, _limited, _listening, _pools, _served):
        kept.clear()
    if _sampled:  # What the child will have to look at, it begins anew.
        _sampled.clear()
        sampler.unwatch(look)


os.register_at_fork(after_in_child=_forked)


def started(server: str, pid: int, sampled: bool = True, process: Any = None) -> None:
    """This process has started a worker; `sampled`: it may not notice by itself when that dies.

    `process`: of multiprocessing, for a supervisor that may learn of the end and say nothing.
    """
    for reason in (EXIT, ERROR, KILLED, TIMEOUT):
        EXITS.bind(server, reason)(0.0)
    if pid not in _alive:
        _alive[pid] = server
        STARTS.bind(server)(1.0)
        WORKERS.bind(server)(1.0)
        if sampled:
            _unwatched[pid] = process
            _sample()


def present(server: str, again: bool) -> None:
    """This process is a worker that nobody tells of but itself, `again` in the place of another.

    That it is alive ends with its shard.
    """
    EXITS.bind(server, UNKNOWN)(1.0 if again else 0.0)
    STARTS.bind(server)(1.0)
    WORKERS.bind(server)(1.0)


def doomed(pid: int, reason: str) -> None:
    """The supervisor is about to kill a worker for this reason."""
    if pid in _alive:
        _doomed[pid] = reason


def limited(server: str, pid: int) -> None:
    """A worker that was started ends by itself after as many requests as it is to serve."""
    EXITS.bind(server, MAX_REQUESTS)(0.0)
    if pid in _alive:
        _limited.add(pid)


def asked(pid: int) -> None:
    """A worker is to end, for another reason than the number of its requests."""
    _limited.discard(pid)


def served(requests: int) -> None:
    """A server in this process, a worker of another one, ends after so many requests."""
    _served.append(requests)


def most_served() -> int:
    """The requests of the server in this process that has said so; 0 if none has."""
    return max(_served, default=0)


def ended(pid: int, code: int | None, reason: str | None = None) -> bool:
    """A worker is gone, with this exit code (-9: by signal 9; None: not to be told).

    Whoever says it first counts. False when the process is not known as a worker (any more).
    """
    server = _alive.pop(pid, None)
    if server is None:
        return False
    _unwatched.pop(pid, None)
    by_limit = MAX_REQUESTS if code == 0 and pid in _limited else None
    _limited.discard(pid)
    reason = _doomed.pop(pid, None) or reason or by_limit or _reason(code)
    WORKERS.bind(server)(-1.0)
    EXITS.bind(server, reason)(1.0)
    return True


def known(server: str) -> list[int]:
    """The pids of the workers that are not known to have ended."""
    return [pid for pid, of in _alive.copy().items() if of == server]


def accepted(server: str) -> None:
    """A connection came in."""
    ACCEPTED.bind(server)(1.0)


def listening(server: str, descriptors: Iterable[int]) -> None:
    """The server listens on these sockets: from here on the exporter tells what waits there."""
    for descriptor in descriptors:
        try:
            inode = os.fstat(descriptor).st_ino
        except OSError:  # Closed.
            continue
        if (server, inode) not in _listening:
            _listening.add((server, inode))
            BACKLOG.waiting_at(inode, server)


def listening_somewhere(server: str) -> None:
    """The same of a server in this process that does not say where it listens, or when it will."""
    if (server, 0) not in _listening:
        _listening.add((server, 0))
        BACKLOG.waiting_at(0, server)


def threads(server: str, numbers: Threads) -> None:
    """From here on tell of a thread pool: `numbers` gives how many threads it may have, how many
    are busy, how many requests wait; None when it is gone."""
    _pools.append((server, numbers))
    _sample()


def look() -> None:
    """One look at everything."""
    for pid in list(_unwatched):
        _peek(pid)
    pools: dict[str, tuple[int, int, int]] = {}
    for pool in list(_pools):
        server, numbers = pool
        most, busy, pending = pools.get(server, (0, 0, 0))
        now = numbers()
        if now is None:
            _pools.remove(pool)
            now = (0, 0, 0)
        pools[server] = (most + now[0], busy + now[1], pending + now[2])
    for server, (most, busy, pending) in pools.items():
        THREADS.bind(server)(most)
        BUSY.bind(server)(busy)
        PENDING.bind(server)(pending)


def failed(error: BaseException) -> None:
    """Something in here failed."""
    guard.failed("http_workers", error)


def _sample() -> None:
    if not _sampled:
        _sampled.append(True)
        sampler.watch(look)


def _reason(code: int | None) -> str:
    if code is None:
        return UNKNOWN
    if code in _ASKED:
        return EXIT
    return KILLED if code < 0 else ERROR


def _peek(pid: int) -> None:
    """Whether a worker has ended, which its supervisor shall learn as if nobody had asked."""
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (AttributeError, OSError):  # Not on this system; the supervisor has learned it.
        process = _unwatched.get(pid)
        if process is not None and process.exitcode is not None:
            ended(pid, process.exitcode)
        return
    if found is not None:
        ended(pid, found.si_status if found.si_code == os.CLD_EXITED else -found.si_status)
