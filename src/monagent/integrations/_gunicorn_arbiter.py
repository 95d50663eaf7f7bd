"""gunicorn's master: the workers it starts and loses, the queue of the sockets it holds.

All of it is recorded in the master, which never imports the application. Statuses of ended workers
are noted where gunicorn itself learns them, so none is missed however many end at a time.
"""

from __future__ import annotations

import os
import sys

from monagent.clock import perf_counter
from monagent.conventions import http_workers
from monagent.metrics.pulse import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SERVER = "gunicorn"
RECYCLED = b"max_requests"
"""What a worker leaves in the file that it shares with the master."""

_early: set[int] = set()  # Before 24 a signal handler reaps, be it before the start is recorded.


def spawning(original: Any) -> Any:
    def spawn_worker(self: Any) -> Any:
        pid = original(self)  # In the worker it does not return.
        try:
            http_workers.EXITS.bind(SERVER, http_workers.MAX_REQUESTS)(0.0)
            http_workers.started(SERVER, pid, sampled=False)
            if pid in _early:
                _early.discard(pid)
                http_workers.ended(pid, None)
        except BaseException as error:
            http_workers.failed(error)
        return pid

    return spawn_worker


def reaping(original: Any) -> Any:
    def reap_workers(self: Any) -> Any:
        module: Any = sys.modules["gunicorn.arbiter"]
        system = module.os
        module.os = Noting(system, self)
        try:
            return original(self)
        finally:
            module.os = system

    return reap_workers


def managing(original: Any) -> Any:
    def manage_workers(self: Any) -> Any:  # At least once a second.
        found = original(self)
        try:
            # It changes them when it reloads.
            http_workers.listening(SERVER, [one.fileno() for one in self.LISTENERS])
            for pid in http_workers.known(SERVER):
                if pid not in self.WORKERS:  # Reaped by somebody else, a hook for instance.
                    http_workers.ended(pid, None)
            look(perf_counter())
        except BaseException as error:
            http_workers.failed(error)
        return found

    return manage_workers


class Noting:
    """The module `os` as the arbiter sees it while it reaps."""

    def __init__(self, system: Any, arbiter: Any) -> None:
        self._system = system
        self._arbiter = arbiter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)

    def waitpid(self, pid: int, options: int) -> Any:
        """As it is, and what it says is recorded."""
        found = self._system.waitpid(pid, options)
        try:
            worker = self._arbiter.WORKERS.get(found[0]) if found[0] else None
            if worker is not None:
                ended(worker, *found)
        except BaseException as error:
            http_workers.failed(error)
        return found


def ended(worker: Any, pid: int, status: int) -> None:
    """Record the end of a worker that the arbiter is about to forget."""
    code = os.waitstatus_to_exitcode(status)
    reason = None
    if worker.aborted:
        reason = http_workers.TIMEOUT
    elif code == 0 and os.pread(worker.tmp.fileno(), len(RECYCLED), 0) == RECYCLED:
        reason = http_workers.MAX_REQUESTS
    if not http_workers.ended(pid, code, reason):
        _early.add(pid)


def leave_mark(worker: Any) -> None:
    """In a worker that ends: tell the master when it is for having served its requests.

    Workers of other projects leave the counting to their own server.
    """
    if max(worker.nr, http_workers.most_served()) >= worker.max_requests:
        os.pwrite(worker.tmp.fileno(), RECYCLED, 0)
        worker.notify()  # Writing has touched the file's times, which are the heartbeat.
