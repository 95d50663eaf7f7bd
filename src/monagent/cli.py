"""The command `monagent`: run a program, and explain what monagent does with it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = """\
usage: monagent run [options] [--] COMMAND …   run a command, unchanged, with metrics
       monagent env [--docker|--shell|--kubernetes] [options]
                                               variables that do the same without a command
       monagent config [--json|--markdown] [options]
                                               settings in force and where each comes from
       monagent list [--json] [--python PATH]  libraries: versions supported, installed, state
       monagent metrics [--json|--markdown]    every metric: name, type, unit, labels, meaning
       monagent doctor [--json] [--expect LIBRARY,…] [COMMAND … | --attach [DIRECTORY|URL]]
                                               what is recorded, what is not, and why
       monagent --version
`monagent run --help` lists the options."""
HELP = (["--help"], ["-h"])
EXPLAINING = ("env", "config", "list", "metrics", "doctor")


def main(arguments: list[str] | None = None) -> int:
    """Do what the words say; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    command, rest = (words[0], words[1:]) if words else ("", [])
    if command == "run" and rest[:1] not in HELP:
        # The way of every start: nothing else is loaded.
        from monagent import launcher

        return launcher.main(rest)
    from monagent import cli_output

    exact = command == "env" and rest[:1] not in HELP
    return cli_output.told(lambda: _explain(command, rest), exact)


def _explain(command: str, rest: list[str]) -> int:
    """The other commands, which print what somebody wants to read."""
    if command in ("--version", "-V", "version"):
        from monagent import __version__

        print(f"monagent {__version__}")
        return 0
    if command == "run":
        from monagent.cli_config import options_help

        print(options_help())
        return 0
    wanted = _command(command)
    if wanted is None and command not in ("", "help", "--help", "-h"):
        print(f"monagent: {_misunderstood(command)}\n{USAGE}", file=sys.stderr)
        return 2
    if wanted is None or (rest[:1] in HELP and command != "doctor"):
        print(USAGE)
        return 0 if command else 2
    return wanted(rest)


def _misunderstood(command: str) -> str:
    """What was meant, as far as one can tell: a command misspelt, or the `run` left out."""
    from shutil import which

    from monagent.settings_names import nearest

    meant = nearest(command, ["run", *EXPLAINING])
    if meant is None and which(command):
        meant = f"run {command} …"
    hint = f"; did you mean monagent {meant}?" if meant else ""
    return f"found {command!r}, expected one of run, {', '.join(EXPLAINING)}{hint}"


def _command(name: str) -> Callable[[list[str]], int] | None:
    """The function behind a command; each is loaded alone, some load much."""
    if name not in EXPLAINING:
        return None
    from importlib import import_module

    wanted: Callable[[list[str]], int] = import_module(f"monagent.cli_{name}").main
    return wanted
