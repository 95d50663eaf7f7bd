"""A PostgreSQL server that trusts everybody on loopback and logs every statement it executes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port, listening
from tests.services import _started

PROGRAMS = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))  # Debian's, by version.


class Server:
    """A running server: where it listens, and what it has logged."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log

    @property
    def dsn(self) -> str:
        """For psycopg and libpq."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def url(self, driver: str) -> str:
        """For SQLAlchemy, with this driver."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/postgres"

    def statements(self, containing: str) -> list[str]:
        """Statements with this text in them that the server was given, in order."""
        lines = self.log.read_text(errors="replace").splitlines()
        marks = ("LOG:  statement: ", "LOG:  execute ")
        return [
            line.partition(mark)[2]
            for line in lines
            for mark in marks
            if mark in line and containing in line
        ]


def _ready(data: Path) -> bool:
    """Whether it takes statements: it listens some time before, and says so in its eighth line."""
    lines = (data / "postmaster.pid").read_text().splitlines()
    return len(lines) > 7 and lines[7].strip() == "ready"


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A PostgreSQL server that runs until the block ends."""
    postgres = _started.program("postgres", "postgresql", *PROGRAMS)
    initdb = _started.program("initdb", "postgresql", *PROGRAMS)
    port = free_port()
    # Not below the test's own directory, which the user postgres must not enter.
    directory = Path(tempfile.mkdtemp(prefix="monagent-postgres-"))
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
        shutil.chown(directory, "postgres")
        prefix = [_started.program("runuser", "util-linux"), "-u", "postgres", "--"]
    data = directory / "data"
    making = [initdb, "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run([*prefix, *making], check=True, stdout=subprocess.DEVNULL, cwd="/")
    options = {
        "fsync": "off",
        "log_statement": "all",
        "log_min_messages": "warning",
        "max_connections": "60",
    }
    command = [postgres, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(directory)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *command], stdout=output, stderr=output, cwd="/", start_new_session=True
        )
    try:
        _started.until(lambda: listening(port) and _ready(data), process, 90)
        yield Server(port, log)
    finally:
        # The server itself, not runuser; at once, not when its last client has gone.
        pid = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        _started.stop(process)
        shutil.rmtree(directory, ignore_errors=True)
