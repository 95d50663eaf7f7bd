"""Deliveries to those who do not come and scrape: OTLP, a Pushgateway, a file.

A failed delivery is tried again, counted, and told in one line.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from monagent.exporter.disk import Disk, replace
from monagent.exporter.engine import Total
from monagent.exporter.exposition import TEXT
from monagent.settings import Settings
from monagent.settings_kinds import without_password
from monagent.settings_paths import REPLACEABLE, unfit

ATTEMPTS = 3
PAUSE = 0.5
"""Seconds before the second attempt; twice as long before each further one."""
TIMEOUT = 5.0


class Failed(Exception):
    """The goal did not take the delivery; the message says why, and `final` that it never will."""

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


@dataclass(frozen=True)
class Outcome:
    """How a delivery ended.

    Attributes:
        failure: why it was not taken; None when it was.
        rejected: data points that the goal left out of what it took.
        remark: what the goal says about those, or about what it took.
    """

    failure: str | None = None
    rejected: int = 0
    remark: str = ""


TAKEN = Outcome()

OTLP = "otlp"
"""Name of the goal that `otlp` delivers to, told without the SDK."""


class Delivery(Protocol):
    """A goal.

    Attributes:
        where: its URL or path, as it may be shown.
        attempts: how often a delivery is sent before it counts as failed.
        trouble: what became of the last attempt that failed, with `where`.
    """

    name: str
    where: str
    attempts: int
    trouble: str

    def send(self, total: Total, text: bytes) -> Outcome:
        """Delivers the numbers, as data or as Prometheus text; raises Failed."""


class Textfile:
    """A file, for the node exporter's textfile collector; readers see the old or the new one."""

    name = "textfile"
    attempts = ATTEMPTS
    trouble = ""

    def __init__(self, path: str, disk: Disk | None = None) -> None:
        self.where = path
        self._disk = disk or Disk()

    def send(self, total: Total, text: bytes) -> Outcome:  # noqa: ARG002 - the text alone
        """Puts the text in the file's place; a symbolic link to it stays one."""
        if there := unfit(self.where):
            raise Failed(f"{self.where}: found {there}, expected {REPLACEABLE}", final=True)
        path = os.path.realpath(self.where)
        try:
            replace(self._disk, path, text, 0o644)
            # The mode above has lost what our umask takes away.
            os.chmod(path, 0o644)
        except OSError as error:
            raise Failed(f"{self.where}: {error.strerror}") from None
        return TAKEN


class Pushgateway:
    """A Prometheus Pushgateway: replaces the group of this job."""

    name = "pushgateway"
    attempts = ATTEMPTS
    trouble = ""

    def __init__(self, url: str, job: str) -> None:
        self.url = group_url(url, job)
        self.where = without_password(self.url)

    def send(self, total: Total, text: bytes) -> Outcome:  # noqa: ARG002 - the text alone
        """Puts the group."""
        # Here and not above: it brings OpenSSL along, which few exporters need.
        import urllib.error
        import urllib.parse
        import urllib.request

        request = urllib.request.Request(
            self.url, data=text, method="PUT", headers={"Content-Type": TEXT}
        )
        parts = urllib.parse.urlsplit(self.url)
        if "@" in parts.netloc:
            user = f"{parts.username}:{parts.password or ''}"
            user = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
            request.add_header("Authorization", f"Basic {user}")
            request.full_url = self.url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
        # Within a program it is no call of the program: past wrappers, which would count it.
        opening: Any = urllib.request.OpenerDirector.open
        while hasattr(opening, "__wrapped__"):
            opening = opening.__wrapped__
        try:
            with opening(urllib.request.build_opener(), request, timeout=TIMEOUT):
                pass
        except urllib.error.HTTPError as error:
            reason = error.read(200).decode("utf-8", "replace").strip()
            final = 400 <= error.code < 500
            raise Failed(f"{request.full_url}: {error.code} {reason}", final) from None
        except OSError as error:
            raise Failed(f"{request.full_url}: {error}") from None
        return TAKEN


def group_url(url: str, job: str) -> str:
    """Where a job's group lies; a URL that names a group already is taken as it is."""
    if "/metrics/job" in url:
        return url
    if "/" in job or not job:
        encoded = base64.urlsafe_b64encode(job.encode()).decode() or "="
        return f"{url}/metrics/job@base64/{encoded}"
    from urllib.parse import quote

    return f"{url}/metrics/job/{quote(job, safe='')}"


def goals(settings: Settings) -> list[str]:
    """The names of all goals that the settings tell of."""
    found = {
        OTLP: settings.otlp_endpoint,
        Pushgateway.name: settings.pushgateway,
        Textfile.name: settings.textfile,
    }
    return [name for name, where in found.items() if where]


def at_the_end(settings: Settings, job: str) -> list[Delivery]:
    """Who gets the last numbers besides OTLP."""
    goals: list[Delivery] = []
    if settings.textfile:  # Before those that may take long: see `worker.alone`.
        goals.append(Textfile(settings.textfile))
    if settings.pushgateway:
        goals.append(Pushgateway(settings.pushgateway, job))
    return goals


def deliver(goal: Delivery, total: Total, text: bytes, wait: Callable[[float], object]) -> Outcome:
    """Sends, a few times if need be; with the reason of the last failure, if none succeeds."""
    reason: str | None = None
    goal.trouble = ""
    for attempt in range(goal.attempts):
        if attempt:
            wait(PAUSE * 2 ** (attempt - 1))
        try:
            return goal.send(total, text)
        except Failed as failure:
            reason = goal.trouble = str(failure)
            if failure.final:
                break
        except Exception as error:
            reason = repr(error)
    return Outcome(reason)
