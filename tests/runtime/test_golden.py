"""What the endpoint shows of the interpreter changes on purpose only."""

from __future__ import annotations

import sys
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
        until(lambda: "asyncio_tasks 1" in run.text(), "a task", 30)
        until(lambda: "asyncio_eventloop_delay_seconds_count" in run.text(), "a delay", 30)
        golden("runtime", run.text, "asyncio_", "cpython_", "errors", "log_")
