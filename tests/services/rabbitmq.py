"""A RabbitMQ broker: node name, ports, directories and Erlang's port mapper of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port, listening
from tests.services import _started

PROGRAMS = "/usr/lib/rabbitmq/bin"  # Debian's /usr/sbin/rabbitmq-server wants to become a user.


@contextlib.contextmanager
def server(directory: Path) -> Iterator[int]:
    """Port of a RabbitMQ broker that runs until the block ends and keeps its files there."""
    path = _started.program("rabbitmq-server", "rabbitmq-server", PROGRAMS)
    if os.path.isdir(PROGRAMS):
        path = f"{PROGRAMS}/rabbitmq-server"
    port, distribution, mapper = (free_port() for _ in range(3))
    plugins = directory / "enabled_plugins"
    plugins.write_text("[].\n")
    environ = {
        **os.environ,
        "HOME": str(directory),  # Erlang's cookie
        "RABBITMQ_NODENAME": f"monagent{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
    }
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen([path], stdout=output, stderr=output, env=environ)
    try:
        _started.until(lambda: listening(port), process, 180)
        yield port
    finally:
        _started.stop(process)
        # The mapper is a daemon that outlives its nodes.
        kill = ["epmd", "-port", str(mapper), "-kill"]
        subprocess.run(kill, stdout=subprocess.DEVNULL, check=False)
