"""Settings that name files: what may stand there, and what must not be replaced by one of ours."""

from __future__ import annotations

import os
import stat

from monagent.settings_kinds import Kind, Wrong

WEB_CONFIG = "MONAGENT_WEB_CONFIG"
REPLACEABLE = "a regular file or a new name"
OUTPUTS = (1, 2)


def parse_path(text: str) -> str:
    try:
        return os.path.abspath(text)
    except FileNotFoundError:
        raise Wrong("an absolute path, as the working directory is gone") from None


def parse_file(text: str) -> str:
    path = parse_path(text)
    try:
        os.stat(path)
    except PermissionError:
        return path  # It may be there; who reads it says so.
    except OSError:
        pass
    if not os.path.isfile(path):
        raise ValueError(text)
    return path


def parse_replaceable(text: str) -> str:
    path = parse_path(text)
    if unfit(path):
        raise ValueError(text)
    return path


def unreadable(path: str) -> str:
    """What is wrong with a web configuration file at first sight; "" if nothing is."""
    if os.access(path, os.R_OK):
        return ""
    return f"found {path!r}, which cannot be read, expected a web configuration file"


def shut(fault: str) -> str:
    """The sentence about a web configuration file with that fault."""
    return f"{WEB_CONFIG}: {fault}; the endpoint stays closed until that is right"


def unfit(path: str) -> str:
    """What stands there, behind symbolic links, and must not make room for a file; "" if nothing
    does: whoever writes says what else is wrong."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    if stat.S_ISREG(found.st_mode):
        return "our own output" if _is_output(found) else ""
    names = [
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
    ]
    return next((name for is_one, name in names if is_one(found.st_mode)), "a device")


def _is_output(file: os.stat_result) -> bool:
    """Whether stdout or stderr goes there: what is written would lose its name."""
    for fd in OUTPUTS:
        try:
            if os.path.samestat(file, os.fstat(fd)):
                return True
        except OSError:  # It was begun with that one closed.
            pass
    return False


def _found_there(text: str) -> str:
    there = unfit(text)
    return f"{text!r}, which is {there}" if there else repr(text)


FILE = Kind("the path of a file that exists", parse_file)
PATH = Kind("a path", parse_path)
OUTPUT = Kind(REPLACEABLE, parse_replaceable, _found_there)
PATHS = (PATH, OUTPUT)
