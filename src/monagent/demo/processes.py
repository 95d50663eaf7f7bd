"""Starts the shop as a Procfile runner would: a web server with two workers and a queue worker.

Ends both when it is told to end or when one of them does. It knows nothing of monagent either.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

FOLDER = os.path.dirname(os.path.abspath(__file__))
WEB = ("uvicorn", "--app-dir", FOLDER, "--host", "127.0.0.1", "--port", "0", "--workers", "2")
QUEUE = ("celery", "--workdir", FOLDER, "-A", "shop:queue", "worker", "-c", "2", "-l", "warning")


def stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    """Runs both until one ends or SIGTERM or SIGINT comes."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    python = (sys.executable, "-m")
    set_up = (sys.executable, "-c", "import shop; shop.set_up()")
    subprocess.run(set_up, cwd=FOLDER, check=True)
    parts = [
        subprocess.Popen((*python, *WEB, "shop:app"), start_new_session=True),
        subprocess.Popen(
            (*python, *QUEUE, "--without-gossip", "--without-mingle"), start_new_session=True
        ),
    ]
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        print(f"process {ended.si_pid} ended with {ended.si_status}" if ended else "nothing runs")
    finally:
        for part in parts:
            part.send_signal(signal.SIGTERM)
        for part in parts:
            try:
                part.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(part.pid, signal.SIGKILL)
                part.wait()


if __name__ == "__main__":
    main()
