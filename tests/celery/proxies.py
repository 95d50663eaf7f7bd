"""A way to a broker that can fall silent, as where a host is lost: nobody closes a connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Hands on what comes, until it is told to keep everything to itself."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._silent = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def fall_silent(self) -> None:
        """From now on no answer comes."""
        self._silent.set()

    def close(self) -> None:
        """All connections end."""
        for one in (self._listening, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._listening.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += near, far
                for ends in (near, far), (far, near):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._silent.is_set():
                    sink.sendall(data)


@contextlib.contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """A proxy to this port of loopback, until the block ends."""
    made = Proxy(port)
    try:
        yield made
    finally:
        made.close()
