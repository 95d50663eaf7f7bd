"""The thread that asks for what only a callback knows stays out of the program's way."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal, time
from monagent.metrics import sampler
sampler.FIRST = 0.1
seen = []
sampler.watch(lambda: seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
while not seen:
    time.sleep(0.01)
print(seen[0] or "{}", signal.pthread_sigmask(signal.SIG_BLOCK, ()) or "{}", flush=True)
for task in os.listdir("/proc/self/task"):
    if int(task) != os.getpid():
        while True:
            status = open(f"/proc/self/task/{task}/status").read()
            blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
            if blocked:
                break
            time.sleep(0.01)
        print([number for number in (2, 10, 11, 15) if blocked >> number - 1 & 1], flush=True)
"""


def test_signals_are_left_to_the_threads_of_the_program() -> None:
    """While it waits; callbacks, and what they start, have the mask of others."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )

    assert ran.stdout == "{} {}\n[2, 10, 15]\n"
