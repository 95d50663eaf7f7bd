"""Random lives of attempts, as a program: prints what was recorded of them, as JSON.

usage: python -m tests.celery.attempted NUMBER
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
from datetime import datetime, timezone
from typing import Any

from monagent import metrics
from monagent.clock import monotonic_ns, time_ns
from monagent.conventions import _sent, jobs
from monagent.integrations import _celery_attempts as attempts
from monagent.integrations import _celery_queues as queues
from monagent.metrics.pulse import due, pulse
from monagent.native import part
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard


class OtherText(str):
    """Text of a class of the program's own."""

    __slots__ = ()


class OtherDict(dict):  # type: ignore[type-arg]
    """A mapping that is no plain dictionary."""


class App:
    """As much of an application as finds the name of a queue."""

    class amqp:
        class queues:
            consume_from: dict[str, Any] = {}


class Request:
    """As much of Celery's as an attempt reads."""

    def __init__(self, chance: random.Random) -> None:
        def chosen(usual: Any, *others: Any) -> Any:
            return usual if chance.random() < 0.8 else chance.choice(others)

        # Ages far from the edges of buckets, whatever time the machine takes.
        age = chance.choice((2, 20, 45)) * 1_000_000_000
        at, ticks = time_ns() - age, monotonic_ns() - age
        stamp = f"monagent/{at}/{_sent.BOOT}/{ticks}"
        stamps = (
            None, "an-id", 7, "monagent/1/2", f"monagent/{at}/other-boot/{ticks}",
            f"monagent/x/{_sent.BOOT}/{ticks}", f"monagent/{at}/{_sent.BOOT}/",
            f"monagent/+{at}/{_sent.BOOT}/{ticks}", f"monagent/{at}/{_sent.BOOT}/{ticks}/", "é/",
            f"monagent/{at}/{_sent.BOOT}x/{ticks}", f"mon\udcff/{at}", OtherText("monagent/1/b/2"),
        )  # fmt: skip
        properties: Any = {"message_id": chosen(stamp, *stamps)}
        if chance.random() < 0.5:
            properties["message_id"] = stamp
        if chance.random() < 0.1:
            properties = chance.choice((OtherDict(properties), {}))
        self._app: Any = App
        self._type = chosen("tasks.add", "tasks.mul", OtherText("tasks.sub"))
        self._eta = chosen(None, datetime.fromtimestamp(5, timezone.utc))
        self._request_dict: Any = {"properties": properties}
        self._delivery_info: Any = {
            "exchange": chosen("", "direct", None),
            "routing_key": chosen("celery", "urgent", OtherText("celery"), None),
            "redelivered": chosen(False, True, None, 1),
        }
        if chance.random() < 0.05:
            facts = chance.choice((self._delivery_info, self._request_dict))
            del facts[chance.choice(list(facts))]


def taken(request: Any) -> Any:
    """An attempt, as the worker's request gets it."""
    made = None
    if attempts.attempted is not None:
        made = attempts.attempted(
            attempts.Attempt, jobs.LANES, queues.current, _sent.BOOT,
            request._app, request._delivery_info, request._type, request._eta,
            request._request_dict,
        )  # fmt: skip
    return attempts.Attempt(request) if made is None else made


def life(chance: random.Random, open_ones: list[Any], told: list[str]) -> None:
    """Something happens to an attempt."""
    if not open_ones or chance.random() < 0.3:
        try:
            open_ones.append(taken(Request(chance)))
        except Exception as error:
            told.append(type(error).__name__)
        return
    attempt = chance.choice(open_ones)
    if chance.random() < 0.5:
        accepted = chance.choice((1.5, 7, 2.5))
        if attempts.begun is None or not attempts.begun(
            attempt, accepted, _sent.BOOT, attempts.running
        ):
            attempt.begin(accepted)
    else:
        status = chance.choice((jobs.SUCCESS, jobs.SUCCESS, OtherText(jobs.SUCCESS), jobs.IGNORED))
        seconds = chance.choice((0.0, 0.5, 1.0, 64.0, 8000.0, 3, True))
        if attempts.decided is None or not attempts.decided(
            attempt, status, seconds, attempts.running, attempts.last, due, pulse
        ):
            attempt.end(status, seconds)
        if chance.random() < 0.5:
            open_ones.remove(attempt)
    told.append(
        f"{attempt.status} {float(attempt._began)} {attempt._ended} {attempt._eta} "
        f"{attempt._lane.queue} {attempt._lane.job_type} {attempt._sent is None}"
    )


def recorded(shard: Shard) -> dict[str, Any]:
    """Every series, without the time that it took."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    found = {}
    for one in file.series:
        cells = list(values[one.index : one.index + one.width])
        if one.instrument.name in ("job.wait.duration", "job.last_success.timestamp"):
            cells = [cells[0] > 0, *cells[1:]] if len(cells) > 2 else [cells[0] > 0]
        found[f"{one.instrument.name} {sorted(one.attributes.items())}"] = cells
    return found


def main(number: int) -> None:
    """Prints what was recorded here."""
    chance, told, open_ones = random.Random(11), [], []  # type: ignore[var-annotated]
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))

    class Watching:
        received: dict[str, float] = {}

    queues.current.append(Watching())  # type: ignore[arg-type]
    queued = jobs.queued("celery", "tasks.add")
    for n in range(number):
        life(chance, open_ones, told)
        queued(chance.choice((1.0, 2.0, 3, True)))
        if n % 50 == 0:
            open_ones.clear()
            gc.collect()
    facts = {
        "native": part is not None,
        "told": told,
        "running": attempts.running,
        "received": sorted(Watching.received),
        "recorded": recorded(shard),
    }
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)
