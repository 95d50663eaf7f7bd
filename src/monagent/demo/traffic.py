"""Sends the shop a fixed mix of requests over kept-alive connections, and counts them."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

MIX = (
    ("GET", "/"),
    ("GET", "/shop/products"),
    ("GET", "/shop/products/{n}"),
    ("POST", "/shop/orders?product_id={n}"),
    ("GET", "/"),
    ("GET", "/shop/products/{n}/price/EUR"),
    ("GET", "/shop/products/{n}"),
    ("GET", "/shop/products/999"),
    ("GET", "/no-such-page/{n}"),
    ("GET", "/"),
    ("POST", "/shop/orders?product_id={n}"),
    ("GET", "/shop/products/{n}/price/XXX"),  # The rates service says 404, so the price is a 500.
)
CONNECTIONS = 4


def send(url: str, requests: int) -> Counter[int]:
    """Sends `requests` requests, shows how far it is, and returns how often each status came."""
    host = urlsplit(url).netloc
    statuses: Counter[int] = Counter()
    lock = threading.Lock()
    numbers = iter(range(requests))

    def work() -> None:
        connection = http.client.HTTPConnection(host, timeout=30)
        try:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                method, path = MIX[number % len(MIX)]
                connection.request(method, path.format(n=number % 20 + 1))
                answer = connection.getresponse()
                answer.read()
                if answer.status >= 500:
                    connection.close()  # uvicorn closes after an exception without saying so.
                with lock:
                    statuses[answer.status] += 1
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    _show_progress(threads, statuses, requests)
    return statuses


def _show_progress(threads: list[threading.Thread], statuses: Counter[int], requests: int) -> None:
    """One line that grows on a terminal, one line per quarter elsewhere."""
    terminal = sys.stdout.isatty()
    shown = -1
    while True:
        running = any(thread.is_alive() for thread in threads)
        done = statuses.total()
        step = done * (20 if terminal else 4) // requests
        if step != shown:
            bar = ("#" * (done * 20 // requests)).ljust(20, ".")
            ending = "\r" if terminal and running else "\n"
            print(f"traffic  [{bar}] {done:,} of {requests:,} requests", end=ending, flush=True)
            shown = step
        if not running:
            return
        time.sleep(0.1)
