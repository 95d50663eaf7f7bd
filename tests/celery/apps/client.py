"""Sends the tasks named in a JSON plan, waits for all, and prints what it saw of each as JSON.

A plan is a list of [task, arguments, options of apply_async].
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import jobs_app
from celery.result import AsyncResult

FINAL = {"SUCCESS", "FAILURE", "REVOKED", "IGNORED", "REJECTED"}


def outcome(name: str, result: AsyncResult) -> tuple[str, str, str, Any]:
    """The task, its final state, the type of its error, its value."""
    end = time.monotonic() + 150
    while result.state not in FINAL and time.monotonic() < end:
        time.sleep(0.05)
    value = result.result
    error = isinstance(value, BaseException)
    return name, result.state, type(value).__name__ if error else "", None if error else value


plan = json.loads(os.environ["PLAN"])
sent = [
    (name, getattr(jobs_app, name).apply_async(arguments, **options))
    for name, arguments, options in plan
]
print(json.dumps([outcome(name, result) for name, result in sent]))
