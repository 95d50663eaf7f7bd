"""What the commands that explain print, to whatever reads it: a reader that goes away, a full disk,
a terminal that has not all letters."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CANNOT_WRITE = 1


def told(command: Callable[[], int], exact: bool = False) -> int:
    """What `command` returns, once all that it printed is out; CANNOT_WRITE when that cannot be.

    `exact`: it prints variables, whose bytes count, and not letters for a reader.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if exact and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=sys.getfilesystemencoding(), errors="surrogateescape")
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            code = command()
    except KeyboardInterrupt:  # Ends us as it ends any command, and no traceback tells of it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        raise
    finally:
        reason = _write(printed.getvalue())
    if reason is None:
        return code
    print(f"monagent: cannot write to stdout: {reason}", file=sys.stderr)
    return CANNOT_WRITE


def _write(text: str) -> str | None:
    """Why not, in the system's words."""
    if sys.stdout is None:  # Closed at our start: print() would say nothing, and all seem well.
        return os.strerror(errno.EBADF) if text else None
    # `monagent list | head` ends quietly, as other commands do. Not before: doctor has connections.
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would be tried again, and told, when Python ends.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        return error.strerror
    finally:
        signal.signal(signal.SIGPIPE, before)
    return None
