"""`python -m monagent.demo`: the shop under `monagent run`, traffic, and what was recorded.

Ends by itself and leaves no process; with --stay it keeps the shop up until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from monagent.demo import tables, traffic
from monagent.demo.exposition import Sample, histograms, parse, totals

PROCESSES = Path(__file__).with_name("processes.py")
REQUESTS = 1_200
PATIENCE = 60.0  # Seconds; a cold start on a busy machine takes a few.


T = TypeVar("T")


class Failed(Exception):
    """Something that the demonstration waits for did not come."""


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    options = argparse.ArgumentParser(prog="monagent demo", description=__doc__)
    options.add_argument("--stay", action="store_true", help="keep the shop up until Ctrl-C")
    options.add_argument("--requests", type=int, default=REQUESTS, help="how many to send")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="monagent-demo-") as folder:
        try:
            return demonstrate(Path(folder), chosen.requests, chosen.stay)
        except KeyboardInterrupt:
            return 130
        except Failed as failure:
            print(f"demo: {failure}; the shop said:", file=sys.stderr)
            print((Path(folder) / "shop.log").read_text()[-6000:], file=sys.stderr)
            return 1


def demonstrate(folder: Path, requests: int, stay: bool) -> int:
    """Starts the shop, sends it requests, prints the tables, ends it."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    log = folder / "shop.log"
    monagent = Path(sysconfig.get_path("scripts")) / "monagent"
    command = [str(monagent), "run", "--port", "0", "--dir", str(state)]
    print("start    monagent run python processes.py   (uvicorn --workers 2, celery worker -c 2)")
    with log.open("wb") as output:
        shop = subprocess.Popen(
            [*command, "--", sys.executable, str(PROCESSES)],
            env={**os.environ, "SHOP_DATA": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = _await(shop, "the shop's address", lambda: _shop_url(log))
        _await(shop, "the shop's first answer", lambda: _answers(url))
        endpoint = _await(shop, "the endpoint's address", lambda: _first_line(state / "endpoint"))
        statuses = traffic.send(url, requests)
        samples = _settled(shop, endpoint, requests)
        _report(statuses.total(), endpoint, samples)
        if stay:
            _stay(shop, url, endpoint)
        else:
            print("To keep it up: make demo STAY=1")
    finally:
        _end(shop, state)
    return 0


def _report(sent: int, endpoint: str, samples: list[Sample]) -> None:
    for line in tables.render(samples):
        print(line)
    recorded = _requests(samples)
    own = sum(one.count for one in histograms(samples, tables.CALLS, ()).values())
    print()
    print(f"{sent:,} requests sent and {own:,.0f} calls of the shop to itself are", end=" ")
    print(f"{sent + own:,.0f}; recorded: {recorded:,.0f}, one first answer included.")
    print(f"Everything above was read from {endpoint}, one endpoint for all processes.")


def _stay(shop: subprocess.Popen[bytes], url: str, endpoint: str) -> None:
    print(f"The shop is up on {url}, its metrics on {endpoint}. Ctrl-C ends it.")
    print(f"  curl -s {endpoint} | grep ^http_server_request_duration_seconds_count")
    shop.wait()


def _end(shop: subprocess.Popen[bytes], state: Path) -> None:
    """Ends the shop and waits until its exporter has left as well."""
    shop.terminate()
    try:
        shop.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(shop.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (state / "endpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _await(shop: subprocess.Popen[bytes], what: str, found: Callable[[], T | None]) -> T:
    """Polls `found` until it gives something, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        if shop.poll() is not None:
            raise Failed(f"waiting for {what}, the shop ended with exit code {shop.returncode}")
        time.sleep(0.05)
    raise Failed(f"{what} did not come within {PATIENCE:.0f} s")


def _shop_url(log: Path) -> str | None:
    found = re.search(r"running on (http://\S+)", log.read_text(errors="replace"))
    return found[1] if found else None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().split("\n", 1)[0] or None
    except FileNotFoundError:
        return None


def _settled(shop: subprocess.Popen[bytes], endpoint: str, sent: int) -> list[Sample]:
    """The endpoint's samples, once all requests and all of their jobs are in them."""
    missing = ""

    def scrape() -> list[Sample] | None:
        nonlocal missing
        try:
            with urllib.request.urlopen(endpoint, timeout=10) as answer:
                samples = list(parse(answer.read().decode()))
        except OSError:
            return None
        enqueued = sum(totals(samples, tables.ENQUEUED, ()).values())
        done = sum(totals(samples, tables.JOBS, ()).values())
        recorded = _requests(samples)
        missing = f"{recorded:.0f} of {sent} requests and {done:.0f} of {enqueued:.0f} jobs"
        return samples if recorded >= sent and done >= enqueued else None

    try:
        return _await(shop, "the numbers", scrape)
    except Failed as failure:
        raise Failed(f"{failure}, seen were {missing}") from None


def _requests(samples: list[Sample]) -> float:
    return sum(one.count for one in histograms(samples, tables.REQUESTS, ()).values())


if __name__ == "__main__":
    sys.exit(main())
