"""Copies the agent's files into a folder, usually a volume that the application's container mounts.

usage: install.py [TARGET]     TARGET/site then holds the agent

The files stand under a temporary name until they are complete, so that a container that starts at
the same time finds all of them or none.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def main(target: str) -> int:
    here = Path(__file__).parent
    if not os.path.isdir(target) or not os.access(target, os.W_OK):
        print(f"monagent: {target}: expected a folder that can be written to", file=sys.stderr)
        return 1
    final = Path(target, "site")
    fresh, old = (Path(target, f".{name}-{os.getpid()}") for name in ("site", "old"))
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(here / "site", fresh)
    if final.exists():
        final.rename(old)
    fresh.rename(final)
    shutil.rmtree(old, ignore_errors=True)
    print(
        f"monagent: installed in {target}; for an application that mounts this volume at the same "
        f"path: PYTHONPATH={target}/site/monagent/bootstrap"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/shared"))
