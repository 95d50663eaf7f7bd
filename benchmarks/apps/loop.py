"""Repeats one operation and prints the CPU seconds that each took, all threads counted."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable


def run(operation: Callable[[], object]) -> None:
    """Repeats `operation` as often as the first argument of the program says."""
    times = int(sys.argv[1])
    for _ in range(times // 10):  # Warm: caches, specialised bytecode.
        operation()
    gc.collect()  # A full collection is due by what was imported, now or just after the clock.
    begun = time.process_time()
    for _ in range(times):
        operation()
    print((time.process_time() - begun) / times)


def run_async(operation: Callable[[], Awaitable[object]]) -> None:
    """The same for a coroutine function, in one event loop."""

    async def repeat() -> None:
        times = int(sys.argv[1])
        for _ in range(times // 10):
            await operation()
        gc.collect()
        begun = time.process_time()
        for _ in range(times):
            await operation()
        print((time.process_time() - begun) / times)

    asyncio.run(repeat())
