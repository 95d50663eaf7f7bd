"""Whatever fails inside monagent, the interpreter and its libraries go on as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.programs import program

USE = """
import asyncio, gc, logging, multiprocessing, sys, threading
{sabotage}
def fail(): raise KeyError("thread")
class Failing:
    def __del__(self): raise RuntimeError("ignored")
    def __repr__(self): return "failing"
Failing()
async def main():
    asyncio.get_running_loop().call_exception_handler({{"message": "told"}})
    await asyncio.sleep(0.3)
    print(len(asyncio.all_tasks()))
for _ in range(30):
    logging.getLogger("x").warning("logged")
    thread = threading.Thread(target=fail, name="T")
    thread.start()
    thread.join()
    gc.collect(0)
asyncio.run(main())
child = multiprocessing.get_context("fork").Process(target=print, args=("child",), name="C")
child.start()
child.join()
print(child.exitcode)
raise ValueError("the end")
"""

SABOTAGE = """
from monagent.conventions import errors, logs, runtime
from monagent.integrations import _loops
def sabotaged(*_, **__): raise {error}("sabotaged")
for room in (errors, logs, runtime, _loops):
    for name, found in list(vars(room).items()):
        if callable(found) and getattr(found, "__module__", "") == room.__name__:
            setattr(room, name, sabotaged)
"""


def comparable(lines: list[bytes]) -> list[bytes]:
    """Lines without those that name an address, or a line of the program, which differ."""
    return [line for line in lines if b" at 0x" not in line and b"line " not in line]


@pytest.mark.parametrize("error", ["RuntimeError", "MemoryError", "BaseException"])
def test_a_failing_monagent_changes_nothing(error: str, tmp_path: Path) -> None:
    """Output, tracebacks and exit code are those without it; errors are counted."""
    plain = program(USE.format(sabotage=""), tmp_path, adopted=False)
    broken = program(USE.format(sabotage=SABOTAGE.format(error=error)), tmp_path)

    said = [line for line in broken.errors.splitlines() if line.startswith(b"monagent: ")]
    kept = [line for line in broken.errors.splitlines() if not line.startswith(b"monagent: ")]
    assert (broken.code, broken.output) == (plain.code, plain.output)
    assert comparable(kept) == comparable(plain.errors.splitlines())
    failed = broken.counted.by("monagent.errors", "component")
    assert (failed["logging"], failed["threading"]) == (20, 20)  # Then they are switched off.
    assert failed["asyncio"] >= 1
    assert failed["multiprocessing"] == 1
    assert failed["interpreter"] >= 1
    assert 1 <= len(said) <= 5
