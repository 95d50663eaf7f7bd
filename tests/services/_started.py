"""What starting a server takes: its program, a free port, a deadline, and an end by its own pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest

END = 10.0


def program(name: str, package: str, *beside: str) -> str:
    """Path of a server's program; without it the test skips and names the Debian package.

    With CI set it fails instead: there, nothing may be skipped.
    """
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *beside)))
    if found is not None:
        return found
    reason = f"{name} is not installed: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> None:
    """Waits until the server is ready; raises when it ended or takes longer."""
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        assert time.monotonic() < end, f"{process.args!r} was not ready after {seconds} s"
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server that we started."""
    process.terminate()
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
