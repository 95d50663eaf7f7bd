"""The listening socket of the endpoint, bound by the launcher and taken over by the exporter."""

from __future__ import annotations

import _socket  # The C part alone: `socket` costs 4 ms and nothing of it is needed.
import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.settings import Settings

    Resolved = tuple[int, int, int, str, tuple[Any, ...]]

BACKLOG = 128


def listen(host: str, port: int) -> _socket.socket:
    """A socket listening there. Raises OSError when the address is taken or not ours."""
    family, kind, protocol, _, address = resolved(host, port)
    sock = _socket.socket(family, kind | _socket.SOCK_CLOEXEC, protocol)
    try:
        # Connections of the last run linger for a minute; a live listener still refuses us.
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def resolved(host: str, port: int) -> Resolved:
    """What a socket that is to listen there is made of; its address is the last. Raises OSError."""
    # As bytes: text would load the codec for international names, 5 ms.
    found: list[Resolved] = _socket.getaddrinfo(
        host.encode("ascii" if host.isascii() else "idna"),
        port,
        0,
        _socket.SOCK_STREAM,
        0,
        _socket.AI_PASSIVE,
    )
    return found[0]


def url(sock: _socket.socket, settings: Settings) -> str:
    """Where the metrics are to be had."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.web_config and _encrypts(settings.web_config) else "http"
    return f"{scheme}://{host}:{sock.getsockname()[1]}{settings.path}"


def _encrypts(web_config: str) -> bool:
    """Whether that file asks for TLS, and not for passwords alone: only TLS has a `cert_file`. The
    launcher has no YAML parser at hand, and a file that is none opens no endpoint."""
    try:
        with open(web_config, encoding="utf-8") as file:
            return any("cert_file" in line.partition("#")[0] for line in file)
    except (OSError, ValueError):
        return False


def leaving(settings: Settings) -> str:
    """Why nobody can scrape for a moment yet, in one sentence."""
    where = f"{settings.host}:{settings.port}"
    return f"port {where} is still held by the exporter of the run before; trying again"


def problem(settings: Settings, error: OSError, neighbour: int) -> str:
    """Why nobody can scrape right now, in one sentence.

    Args:
        neighbour: the process that began another tree whose exporter has the port, or 0.
    """
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        again = "trying again until it is free"
        if neighbour:
            return (
                f"port {where} is taken by another tree of monagent, begun by process {neighbour}:"
                " for one endpoint start both below one `monagent run` or name one MONAGENT_DIR,"
                f" for two set another MONAGENT_PORT; {again}"
            )
        return f"port {where} is taken by another program; {again}"
    return f"cannot listen on {where}: {error}; trying again"
