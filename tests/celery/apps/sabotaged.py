"""The application of `jobs_app`, in a process where all that monagent does for Celery fails."""

from __future__ import annotations

import os
from typing import Any

from jobs_app import app

from monagent.conventions import _sent, jobs
from monagent.integrations import _celery_attempts, _celery_beat, _celery_queues

ERROR = {"error": RuntimeError, "memory": MemoryError, "other": type("Other", (BaseException,), {})}


def fail(*_: Any, **__: Any) -> None:
    raise ERROR[os.environ["SABOTAGE"]]("sabotaged")


for room in (_sent, jobs, _celery_attempts, _celery_beat, _celery_queues):
    for name, found in list(vars(room).items()):
        if callable(found) and getattr(found, "__module__", "") == room.__name__:
            setattr(room, name, fail)
for room, names in ((_sent, ["stamped"]), (_celery_attempts, ["attempted", "begun", "decided"])):
    for name in names:
        setattr(room, name, fail)

__all__ = ["app"]
