"""What the endpoint shows of the interpreter changes on purpose only."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

from tests import golden as goldens
from tests.e2e.command import running, until

PROGRAM = """
import asyncio, logging, threading
def fail(): raise KeyError
threading.Thread(target=fail).start()
logging.warning("told")
asyncio.run(asyncio.sleep(60))
"""


def test_names_and_labels_of_the_interpreter_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Collections, a loop with a task, a log record, a thread that failed."""
    with running((sys.executable, "-c", PROGRAM), tmp_path) as run:

        def text() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{run.metrics}/metrics") as answer:
                found: bytes = answer.read()
            return found.decode()

        until(lambda: "asyncio_tasks 1" in text(), "a task", 30)
        until(lambda: "asyncio_eventloop_delay_seconds_count" in text(), "a delay", 30)
        shown = text()

    golden("runtime", shown, "asyncio_", "cpython_", "errors", "log_")
