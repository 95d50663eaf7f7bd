"""What gRPC's servers and clients have in common: names of status codes, failing safely."""

from __future__ import annotations

import sys

from monagent import guard
from monagent.conventions import _peers, rpc
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._peers import Peer

SYSTEM = "grpc"

_names: dict[Any, str] = {None: rpc.OK}


def name_of(code: Any) -> str:
    """ "OK" of grpc.StatusCode.OK, of its number, and of no code at all."""
    try:
        return _names[code]
    except KeyError:
        for each in sys.modules["grpc"].StatusCode:
            _names[each] = _names[each.value[0]] = each.name
        return _names.get(code, "UNKNOWN")


def given(code: Any) -> str:
    """The status that a client gets of a code that the program gave to a server with threads."""
    return name_of(code) if isinstance(code, sys.modules["grpc"].StatusCode) else "UNKNOWN"


def text(name: Any) -> str:
    """`package.Service/Method` of the path of a call."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return str(name).lstrip("/")


def peer_of(target: Any) -> Peer:
    """The peer of a channel's target: `host:port`, `dns:///host`, `unix:/path`, …
    https://github.com/grpc/grpc/blob/master/doc/naming.md
    """
    if isinstance(target, bytes):
        target = target.decode("latin-1")
    scheme, colon, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract", "vsock"):
        return _peers.peer(scheme, None)
    if colon and scheme in ("dns", "ipv4", "ipv6", "passthrough", "xds", "google-c2p"):
        # dns:[//authority/]host[:port]; of several addresses the first stands for all.
        target = rest.rpartition("/")[2].partition(",")[0]
    host, colon, port = target.rpartition(":")
    if not colon or "]" in port or not port.isdecimal():
        host, port = target, ""
    return _peers.peer(host.strip("[]"), int(port) if port else None)


def failed(error: BaseException) -> None:
    """Something of ours broke; the call goes on."""
    guard.failed("grpc", error)
    if guard.off("grpc"):
        undo("grpc")
