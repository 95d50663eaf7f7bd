"""Counts log records in worker processes of multiprocessing and concurrent.futures."""

import logging
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor

log = logging.getLogger("pools")
log.addHandler(logging.NullHandler())


def record(number: int) -> int:
    log.warning("counted")
    return number


def main() -> None:
    methods = ["fork", "spawn"]
    for method in methods:
        context = multiprocessing.get_context(method)
        with context.Pool(2, maxtasksperchild=1) as pool:
            pool.map(record, range(20), chunksize=1)
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            list(executor.map(record, range(20)))
    print("done", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
    sys.exit()
