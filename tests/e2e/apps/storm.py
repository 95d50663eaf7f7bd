"""Four threads log under ever new names while the main thread forks 500 children that log once.

Then it stays for the seconds that it is given.
"""

import logging
import os
import sys
import threading
import time

FORKS = 500
log = logging.getLogger("storm")
log.addHandler(logging.NullHandler())
stop = threading.Event()
told = [0] * 4


def record(number: int) -> None:
    while not stop.is_set():
        one = logging.getLogger(f"storm.{number}.{told[number] % 20}")
        one.warning("counted")
        told[number] += 1
        time.sleep(0)


threads = [threading.Thread(target=record, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
slowest = 0.0
for _ in range(FORKS):
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        log.error("counted")
        os._exit(0)
    os.waitpid(pid, 0)
    slowest = max(slowest, time.monotonic() - began)
stop.set()
for thread in threads:
    thread.join()
print(f"told {sum(told)} slowest {slowest:.3f} end", flush=True)
time.sleep(float(sys.argv[1]))
