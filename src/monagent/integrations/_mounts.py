"""WSGI applications behind a dispatcher: its mount point, without a proxy's prefix before it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange


def dispatched(exchange: Exchange, environ: dict[str, Any]) -> None:
    """A dispatcher has put its mount point behind what SCRIPT_NAME was (`exchange.script`)."""
    mount = environ.get("SCRIPT_NAME", "").removeprefix(exchange.script or "")
    exchange.script = None
    if mount:  # Else it is the application behind all mounts, and no route has been found yet.
        exchange.mounted(mount)
