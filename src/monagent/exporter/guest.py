"""The exporter as a thread of a program, for places where a second process is impossible."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Callable

from monagent import guard
from monagent.exporter.life import GRACE, Life
from monagent.exporter.lock import Lock
from monagent.exporter.outbox import LAST
from monagent.settings import Settings


def serve(path: str, settings: Settings, last: bool = False) -> Callable[[], None] | None:
    """See `exporter.serve_in_thread`, and for the `last` numbers `exporter.finish`."""
    lock = Lock(path, guest=True)
    if not lock.take():
        return None
    loop = asyncio.new_event_loop()
    lives: list[Life] = []
    begun = threading.Event()
    pid = os.getpid()

    async def live() -> None:
        life = Life(path, settings, lock, guest=True)
        if last:
            life.stop()
        lives.append(life)
        begun.set()
        await life.run()

    def run() -> None:
        try:
            loop.run_until_complete(live())
        except BaseException as error:
            guard.failed("exporter", error)
        finally:
            loop.close()
            begun.set()

    thread = threading.Thread(target=run, name="monagent-exporter", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # 3.12 starts none any more once the program has ended.
        if last:
            run()
            return None
        loop.close()
        lock.release()
        return None

    def stop() -> None:
        if os.getpid() != pid or not thread.is_alive():
            return
        # Nobody else delivers; without anything to deliver the program must not wait.
        awaited = last or settings.delivers_at_the_end
        ends = time.monotonic() + (GRACE + LAST if awaited else 0.04)
        begun.wait(ends - time.monotonic())
        try:
            for life in lives:
                loop.call_soon_threadsafe(life.stop)
        except RuntimeError:  # It has ended by itself.
            return
        thread.join(max(0.0, ends - time.monotonic()))

    def forked() -> None:
        # The thread is the parent's; its lock and its socket must not outlive the parent in us.
        for life in lives:
            life.abandon()

    atexit.register(stop)
    os.register_at_fork(after_in_child=forked)
    return stop
