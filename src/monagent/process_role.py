"""What a Python process is there for, told from its command line.

Multiprocessing's helpers run nothing of the application, and the launcher is not the application.
"""

from __future__ import annotations

import os

PROGRAM = "program"
HELPER = "helper"
FORKSERVER = "forkserver"

_MULTIPROCESSING = "from multiprocessing."


def of(arguments: list[str]) -> str:
    """PROGRAM, HELPER or FORKSERVER; `arguments` are the interpreter's own (sys.orig_argv)."""
    previous = ""
    for argument in arguments[1:]:
        if previous == "-c":
            return _of_code(argument)
        if previous == "-m":
            return HELPER if argument in ("monagent", "monagent.cli") else PROGRAM
        if not argument.startswith("-") and previous not in ("-W", "-X"):
            return HELPER if os.path.basename(argument) == "monagent" else PROGRAM
        previous = argument
    return PROGRAM


def _of_code(code: str) -> str:
    """multiprocessing starts helpers with `-c "from multiprocessing.x import main; main(…)"`."""
    if not code.startswith(_MULTIPROCESSING):
        return PROGRAM
    module = code[len(_MULTIPROCESSING) :].partition(" ")[0]
    if module == "forkserver":
        return FORKSERVER
    return HELPER if module in ("resource_tracker", "semaphore_tracker") else PROGRAM
