"""Counts log records before and after forks; each line of stdin is a command."""

import logging
import os
import sys

log = logging.getLogger("forks")
log.addHandler(logging.NullHandler())


def record(count: int) -> None:
    for _ in range(count):
        log.warning("counted")


def main() -> None:
    record(5)
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            record(1)
            if number % 2:
                os._exit(0)
            os.kill(os.getpid(), 9)
        os.waitpid(pid, 0)
    idle = os.fork()
    if idle == 0:
        os._exit(0)
    os.waitpid(idle, 0)
    print("forked", flush=True)
    sys.stdin.read()


main()
