"""uWSGI's workers tell of themselves: their master is C, and forks them without a word to Python.

https://uwsgi-docs.readthedocs.io/en/latest/PythonModule.html
"""

from __future__ import annotations

import os

from monagent.conventions import http_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SERVER = "uwsgi"
NEVER = 1 << 62
"""More respawns than there can be: without a master, uWSGI begins to count below zero."""

_told: list[int] = []


def begun(uwsgi: Any) -> None:
    """This process is a worker, or one of uWSGI's other children, of which nothing is told."""
    number = uwsgi.worker_id()
    if number < 1 or uwsgi.mule_id() or os.getpid() in _told:
        return
    _told[:] = [os.getpid()]
    worker = uwsgi.workers()[number - 1]
    http_workers.present(SERVER, again=0 < worker["respawn_count"] < NEVER)
    http_workers.listening(SERVER, uwsgi.sockets)
