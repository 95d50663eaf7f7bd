"""What a Python process is there for, told from its command line.

Multiprocessing's helpers run nothing of the application, and the launcher is not the application.
A forkserver that preloads modules is like any server that forks its workers.
"""

from __future__ import annotations

import os

PROGRAM = "program"
HELPER = "helper"
FORKSERVER = "forkserver"

_MULTIPROCESSING = "from multiprocessing."


def of(arguments: list[str]) -> str:
    """PROGRAM, HELPER or FORKSERVER; `arguments` are the interpreter's own (sys.orig_argv)."""
    flag, target = started(arguments)
    if flag == "-c":
        return _of_code(target)
    if flag == "-m":
        return HELPER if target in ("monagent", "monagent.cli") else PROGRAM
    return HELPER if os.path.basename(target) == "monagent" else PROGRAM


def started(arguments: list[str]) -> tuple[str, str]:
    """`("-m", module)`, `("-c", code)` or `("", script)`; an empty script for a Python alone."""
    previous = ""
    for argument in arguments[1:]:
        if previous in ("-c", "-m"):
            return previous, argument
        if (argument == "-" or not argument.startswith("-")) and previous not in ("-W", "-X"):
            return "", argument
        # Switches may be joined, as in `-Im module`; with a value joined they are rare and long.
        joined = argument[:1] == "-" and argument[1:2] != "-" and argument[-1] in "cm"
        previous = "-" + argument[-1] if joined else argument
    return "", ""


def _of_code(code: str) -> str:
    """multiprocessing starts helpers with `-c "from multiprocessing.x import main; main(…)"`."""
    if not code.startswith(_MULTIPROCESSING):
        return PROGRAM
    module = code[len(_MULTIPROCESSING) :].partition(" ")[0]
    if module == "forkserver":
        return PROGRAM if _preloads(code) else FORKSERVER
    return HELPER if module in ("resource_tracker", "semaphore_tracker") else PROGRAM


def _preloads(code: str) -> bool:
    """Whether a forkserver imports modules of the application before it forks: of
    `main(3, 4, ["tasks", "__main__"], **{"main_path": …})` the main module only where that is told,
    which Pythons before 3.12.9 and 3.13.2 leave out (python/cpython#126631)."""
    modules, _, keywords = code.partition("; main(")[2].partition("**")
    return "'" in modules.replace("'__main__'", "") or "'main_" in keywords
