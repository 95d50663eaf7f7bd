"""The exporter: a process of its own that reads the shards of a tree and serves their total.

Where a second process is impossible it runs as a thread of the program (`serve_in_thread`).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.exporter.lock import Lock
    from monagent.exporter.users import Users
    from monagent.settings import Settings


def run(
    path: str,
    settings: Settings,
    lock: Lock,
    users: Users,
    fd: int | None = None,
    told: bool = False,
) -> int:
    """Runs the exporter of directory `path` in this process until the tree has ended."""
    _offer_dependencies(settings)
    if not settings.web_config:
        _import_asyncio_without_tls()
    import asyncio

    async def live() -> None:
        from monagent.exporter.life import Life

        await Life(path, settings, lock, fd, told, users=users).run()

    asyncio.run(live())
    return 0


def serve_in_thread(path: str, settings: Settings) -> Callable[[], None] | None:
    """Serves directory `path` from a daemon thread of this process, for those who may not fork.

    Returns what ends it (with last deliveries; also done at exit), or None when the directory has
    an exporter already.
    """
    _offer_dependencies(settings)
    from monagent.exporter import guest

    return guest.serve(path, settings)


def finish(path: str, settings: Settings) -> None:
    """Delivers the last numbers of directory `path` from this process, which is ending, unless the
    directory has an exporter; and clears it where the tree ends with this process."""
    _offer_dependencies(settings)
    from monagent.exporter import guest

    stop = guest.serve(path, settings, last=True)
    if stop is not None:
        stop()


def _offer_dependencies(settings: Settings) -> None:
    """Puts the folder with our dependencies last on the path, where a feature needs some."""
    from monagent import where

    folder = where.site(os.environ)
    if (settings.otlp_endpoint or settings.web_config) and folder not in sys.path:
        sys.path.append(folder)


def _import_asyncio_without_tls() -> None:
    """OpenSSL is a fifth of our memory, and a plain endpoint has no use for it."""
    if "ssl" not in sys.modules and "asyncio" not in sys.modules:
        blocked: dict[str, Any] = {"ssl": None}
        sys.modules.update(blocked)
        try:
            import asyncio  # noqa: F401
        finally:
            del sys.modules["ssl"]
