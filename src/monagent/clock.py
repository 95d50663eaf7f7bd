"""The clocks, as functions of our own: those of `time` are the program's to replace.

freezegun puts others wherever a module holds one of Python's, and tests patch `time.time`. How long
something took, and what is due every few seconds, goes by the real ones.
"""

from __future__ import annotations

import time as shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def _own() -> ModuleType:
    """A second copy of the module, whose functions are as fast and are not the first one's."""
    try:
        from _frozen_importlib import module_from_spec

        spec: Any = shared.__spec__
        module: ModuleType = module_from_spec(spec)
        spec.loader.exec_module(module)
        module.perf_counter()
    except Exception:
        return shared
    return module


if TYPE_CHECKING:
    from time import monotonic, monotonic_ns, perf_counter, process_time, sleep, time, time_ns
else:
    _time = _own()
    monotonic = _time.monotonic
    monotonic_ns = _time.monotonic_ns
    perf_counter = _time.perf_counter
    process_time = _time.process_time
    sleep = _time.sleep
    time = _time.time
    time_ns = _time.time_ns

__all__ = ["monotonic", "monotonic_ns", "perf_counter", "process_time", "sleep", "time", "time_ns"]
