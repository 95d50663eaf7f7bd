"""gunicorn's workers: connections they accept, threads of their pools, why they end."""

from __future__ import annotations

from weakref import ref

from monagent.conventions import http_workers
from monagent.integrations._gunicorn_arbiter import SERVER, leave_mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ACCEPTING = frozenset(
    ("gunicorn.workers." + each) for each in ("sync", "gthread", "base_async", "gasgi")
)
RESTING = ("keepalived_conns", "pending_conns", "_keep")  # The last is the first before 24.


def working(original: Any) -> Any:
    def init_process(self: Any) -> Any:
        try:
            if any(base.__module__ in ACCEPTING for base in type(self).__mro__):
                http_workers.ACCEPTED.bind(SERVER)(0.0)
            if hasattr(getattr(self, "tpool", None), "_work_queue"):
                http_workers.threads(SERVER, pool(ref(self)))
        except BaseException as error:
            http_workers.failed(error)
        try:
            return original(self)  # It serves in there until it is to end.
        finally:  # aiohttp's workers end by SystemExit.
            try:
                leave_mark(self)
            except BaseException as error:
                http_workers.failed(error)

    return init_process


def handling(original: Any) -> Any:
    def handle(self: Any, listener: Any, client: Any, addr: Any) -> Any:
        try:
            http_workers.accepted(SERVER)
        except BaseException as error:
            http_workers.failed(error)
        return original(self, listener, client, addr)

    return handle


def connecting(original: Any) -> Any:
    def __init__(self: Any, cfg: Any, sock: Any, client: Any, server: Any) -> None:
        try:
            http_workers.accepted(SERVER)
        except BaseException as error:
            http_workers.failed(error)
        original(self, cfg, sock, client, server)

    return __init__


def connected(original: Any) -> Any:
    def connection_made(self: Any, transport: Any) -> Any:
        try:
            http_workers.accepted(SERVER)
        except BaseException as error:
            http_workers.failed(error)
        return original(self, transport)

    return connection_made


def pool(worker: Any) -> Any:
    """How the threads of a worker are, told from its connections: those it neither keeps alive nor
    expects data on have a thread or wait for one.  (The pool itself does not know before 3.12.)"""

    def numbers() -> tuple[int, int, int] | None:
        found = worker()
        if found is None:
            return None
        # Not by `vars()`: an object whose `__dict__` was asked for is slower from then on.
        resting = sum(len(getattr(found, name, ())) for name in RESTING)
        queued = found.tpool._work_queue.qsize()
        busy = found.nr_conns - resting - queued
        return found.cfg.threads, max(0, min(busy, found.cfg.threads)), queued

    return numbers
