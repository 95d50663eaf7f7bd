"""The servers that a program calls, as labels show them: bounded, whatever hosts it calls.

A host in the table MONAGENT_PEER_SERVICES counts under its pattern; of the others the first
MONAGENT_PEER_LIMIT are told apart, and the rest is one peer, `other`, without a port. A name in
other letters than ASCII's counts as it is sent, `xn--...`, however a client writes it.
"""

from __future__ import annotations

import sys

from monagent import settings
from monagent.metrics import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OTHER = "other"
UNKNOWN = "unknown"
"""The address of a call whose URL names none."""

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "http+unix": None}
_MOST_KEYS = 2_000
_LONGEST = 500  # of a name 253 characters, of the path of a socket thrice 108


class Peer:
    """One server, as labels show it; `state` is for the recorders of its connections."""

    __slots__ = ("address", "port", "service", "state")

    def __init__(self, address: str, port: int | None, service: str | None) -> None:
        self.address = address
        self.port = port
        self.service = service
        self.state: dict[str, Any] = {}

    @property
    def labels(self) -> tuple[str, int | None, str | None]:
        """server.address, server.port, peer.service."""
        return self.address, self.port, self.service


_hosts: dict[tuple[str, int | None], Peer] = cache()
"""Those that are told apart by their own names: no more than the limit."""

_others: dict[tuple[str, int | None], Peer] = cache()
"""Those of the table, `other` and `unknown`."""

_keys: dict[tuple[str, str, int | None], Peer] = cache()


def of(scheme: str, host: str, port: int | None) -> Peer:
    """The peer of a host; without a port the scheme's own."""
    key = (scheme, host, port)
    try:
        return _keys[key]
    except KeyError:
        pass
    if len(_keys) >= _MOST_KEYS:
        _keys.clear()
    found = _keys[key] = peer(host, port or PORTS.get(scheme))
    return found


def of_url(url: str) -> Peer:
    """The peer of an absolute URL."""
    scheme, _, rest = url.partition("://")
    for end in "/?#":
        rest = rest.partition(end)[0]
    authority = rest.rpartition("@")[2]
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    if port and not port.isdecimal():
        host = ""
    return peer(host.strip("[]"), int(port) if port.isdecimal() else PORTS.get(scheme.lower()))


def peer(host: str, port: int | None) -> Peer:
    """The peer of a host, new or known."""
    host = host.lower().rstrip(".")
    if not host or len(host) > _LONGEST:
        return _kept(_others, UNKNOWN, None)
    if not host.isascii():
        host = _sent(host)
    found = _hosts.get((host, port))
    if found is not None:
        return found
    pattern, service = _listed(host)
    if pattern is not None:
        return _kept(_others, pattern, port, service)
    if len(_hosts) >= settings.current().peer_limit:
        return _kept(_others, OTHER, None)
    return _kept(_hosts, host, port)


def _kept(
    among: dict[tuple[str, int | None], Peer],
    address: str,
    port: int | None,
    service: str | None = None,
) -> Peer:
    known = among.get((address, port))
    return known or among.setdefault((address, port), Peer(address, port, service))


def _listed(host: str) -> tuple[str | None, str | None]:
    """The first pattern of the table that the host fits, and the service's name."""
    table = settings.current().peer_services
    if table:
        from fnmatch import fnmatchcase  # Only who has a table pays for it.

        for pattern, service in table:
            pattern = pattern.lower()
            if fnmatchcase(host, pattern if pattern.isascii() else _sent(pattern)):
                return pattern, service
    return None, None


def _sent(host: str) -> str:
    """A host or a pattern in ASCII, each label as the clients make it: by the package `idna` where
    one has loaded it, else as Python does. What neither of them takes stays as it is."""
    if "/" in host:  # the path of a socket
        return host
    module = sys.modules.get("idna")
    labels = []
    for label in host.split("."):
        try:
            if not label.isascii():
                sent = module.encode(label, uts46=True) if module else label.encode("idna")
                label = sent.decode("ascii")
        except (UnicodeError, AttributeError):  # the latter while it is being loaded
            pass
        labels.append(label)
    return ".".join(labels)
