"""A client that sends a fixed number of requests over kept-alive connections at little cost.

Responses must all have the length of the first one, so that only bytes are counted.
"""

from __future__ import annotations

import select
import socket
import time


class Client:
    """Kept-alive connections to one server, all asking for one path."""

    def __init__(self, port: int, path: str, connections: int) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.sockets = {}
        for _ in range(connections):
            made = socket.create_connection(("127.0.0.1", port), timeout=30)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[made.fileno()] = made
        self.length = self._length()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets.values():
            one.close()

    def _length(self) -> int:
        """Sends one request on every connection; the bytes of a response."""
        lengths = set()
        for one in self.sockets.values():
            one.sendall(self.request)
            received = b""
            while b"\r\n\r\n" not in received:
                received += one.recv(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise ValueError(f"found {head[:60]!r}, expected status 200")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            whole = len(head) + 4 + int(fields[b"content-length"])
            while len(body) < whole - len(head) - 4:
                body += one.recv(65536)
            lengths.add(whole)
        if len(lengths) != 1:
            raise ValueError(f"found responses of {sorted(lengths)} bytes, expected one length")
        return lengths.pop()

    def send(self, requests: int) -> None:
        """Sends `requests` requests, one at a time on each connection."""
        length, request, sockets = self.length, self.request, self.sockets
        poll = select.epoll()
        missing = dict.fromkeys(sockets, 0)
        started = done = 0
        for number, one in sockets.items():
            poll.register(number, select.EPOLLIN)
            if started < requests:
                missing[number] = length
                one.send(request)
                started += 1
        while done < requests:
            for number, _ in poll.poll(30):
                received = len(sockets[number].recv(65536))
                if not received:
                    raise ConnectionError("the server closed a connection")
                missing[number] -= received
                if missing[number]:
                    continue
                done += 1
                if started < requests:
                    missing[number] = length
                    sockets[number].send(request)
                    started += 1
        poll.close()

    def latencies(self, seconds: float, rate: float) -> list[float]:
        """Seconds that each of `rate` requests a second took, sent one by one for `seconds`.

        A late answer delays no later request's clock: time counts from when it was due.
        """
        one = next(iter(self.sockets.values()))
        begun = time.perf_counter()
        took = []
        for number in range(int(seconds * rate)):
            due = begun + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            one.send(self.request)
            sent = max(due, time.perf_counter() - 0.001)
            missing = self.length
            while missing:
                missing -= len(one.recv(65536))
            took.append(time.perf_counter() - sent)
        return took
