"""The address that an exporter waits for: left in its directory, for an exporter beside it that
could do without its own."""

from __future__ import annotations

import os
import time

from monagent import listening
from monagent.exporter.disk import Disk, replace
from monagent.store import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    Address = tuple[str, int]

PATIENCE = 2.0
"""Seconds that an exporter waits before another one gives way."""
ANY = ("0.0.0.0", "::")


def begin(path: str, host: str, port: int) -> None:
    """Whoever has this address keeps the exporter of `path` from it."""
    file = f"{path}/{directory.WAITING}"
    try:
        if not os.path.exists(file):
            host, port = listening.resolved(host, port)[-1][:2]
            replace(Disk(), file, f"{host} {port}\n".encode())
    except OSError:  # It waits without.
        pass


def end(path: str) -> None:
    """It has the address."""
    try:
        os.unlink(f"{path}/{directory.WAITING}")
    except OSError:
        pass


def waits_for(path: str, sock: socket) -> bool:
    """Whether the exporter of `path` has been waiting for what this socket has."""
    try:
        with open(f"{path}/{directory.WAITING}", encoding="utf-8") as file:
            since = os.fstat(file.fileno()).st_mtime
            host, port = file.read().split()
    except (OSError, ValueError):
        return False
    own_host, own_port = sock.getsockname()[:2]
    same = host == own_host or host in ANY or own_host in ANY
    return same and port == str(own_port) and time.time() - since >= PATIENCE
