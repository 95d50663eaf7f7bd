"""What waits in listening sockets, told by the exporter for processes that name them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monagent import settings
from monagent.conventions import http_workers
from monagent.exporter.engine import Engine
from monagent.exporter.processes import Proc
from monagent.metrics import Recording, recording, use
from monagent.store.layout import SOCKET
from monagent.store.reader import Instrument, ShardFile
from monagent.store.shard import Shard
from tests.exporter.forge import Deaths, Forged
from tests.exporter.running import text_samples, until

BACKLOG = Instrument("http.server.backlog", "gauge", "{connection}", "Waiting.")


@contextlib.contextmanager
def listener(waiting: int, family: socket.AddressFamily = socket.AF_INET) -> Iterator[Any]:
    """A socket at which so many connections wait."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(socket.socket(family))
        made.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        made.listen(16)
        for _ in range(waiting):
            stack.enter_context(socket.create_connection(made.getsockname()[:2], timeout=30))
        yield made


def inode(one: Any) -> int:
    """What names a socket."""
    return one if isinstance(one, int) else os.fstat(one.fileno()).st_ino


def named(path: Path, *sockets: Any, server: str = "uvicorn") -> Forged:
    """A shard of this process that names these."""
    own: list[tuple[Instrument, dict[str, Any], list[float]]] = [
        (BACKLOG, {"server": server, SOCKET: inode(one)}, [0.0, 0.0]) for one in sockets
    ]
    return Forged(str(path), own)


def backlogs(engine: Engine) -> dict[str, float]:
    """By labels."""
    found = text_samples(engine.scrape(False).decode())
    head = "http_server_backlog"
    return {key[len(head) :]: value for key, value in found.items() if key.startswith(head)}


def tells(engine: Engine, wanted: dict[str, float]) -> None:
    """Soon: the kernel may take a moment to queue a connection that its client has."""
    until(lambda: backlogs(engine) == wanted, f"{wanted}")


def test_all_sockets_of_a_server_count_and_each_once(tmp_path: Path) -> None:
    """Workers that were forked share theirs."""
    deaths = Deaths()
    engine = Engine(str(tmp_path), settings.load({}), print, alive=deaths.alive)
    with listener(3) as first, listener(2) as second, listener(0) as other:
        shards = [named(tmp_path, first, second), named(tmp_path, second), named(tmp_path, first)]
        named(tmp_path, other, server="gunicorn")

        tells(engine, {'{server="uvicorn"}': 5, '{server="gunicorn"}': 0})
        first.accept()[0].close()
        tells(engine, {'{server="uvicorn"}': 4, '{server="gunicorn"}': 0})
        for shard in shards:
            deaths.kill(shard)
        assert backlogs(engine) == {'{server="gunicorn"}': 0}
    assert backlogs(engine) == {}


def test_all_sockets_of_a_process_count_that_does_not_say_which(tmp_path: Path) -> None:
    """Those that it has named too, once; those that it opens later as well."""
    deaths = Deaths()
    engine = Engine(str(tmp_path), settings.load({}), print, alive=deaths.alive)
    with listener(2) as first, listener(1) as second:
        named(tmp_path, 0, server="granian")
        named(tmp_path, second)
        tells(engine, {'{server="granian"}': 3})
        with listener(3):
            tells(engine, {'{server="granian"}': 6})
        first.close()
        tells(engine, {'{server="granian"}': 1})


def test_what_may_not_be_asked_has_no_sockets(tmp_path: Path) -> None:
    """Descriptors that are no sockets, or closed meanwhile, say nothing."""
    descriptors = tmp_path / "7" / "fd"
    descriptors.mkdir(parents=True)
    for name, target in enumerate(("socket:[21]", "/dev/null", "pipe:[22]", "socket:[23]")):
        (descriptors / str(name)).symlink_to(target)
    (descriptors / "9").write_text("no link")

    assert sorted(Proc(str(tmp_path)).sockets(7)) == [21, 23]
    assert Proc(str(tmp_path)).sockets(8) == []


def test_a_socket_of_ipv6_counts(tmp_path: Path) -> None:
    """The kernel lists them apart."""
    engine = Engine(str(tmp_path), settings.load({}), print)
    try:
        with listener(2, socket.AF_INET6) as one, listener(1) as other:
            named(tmp_path, one, other)
            tells(engine, {'{server="uvicorn"}': 3})
    except OSError:
        pytest.skip("no IPv6 on this machine")


def test_what_is_no_tcp_socket_that_listens_says_nothing(tmp_path: Path) -> None:
    """Unix sockets, sockets that were closed, files."""
    engine = Engine(str(tmp_path), settings.load({}), print)
    path = str(tmp_path / "unix")
    with socket.socket(socket.AF_UNIX) as unix, socket.socket() as idle, open(__file__) as file:
        unix.bind(path)
        unix.listen(4)
        named(tmp_path, unix, idle, file)
        assert backlogs(engine) == {}


def test_constant_labels_are_there(tmp_path: Path) -> None:
    """As on the process's own series."""
    engine = Engine(str(tmp_path), settings.load({"MONAGENT_LABELS": "team=shop"}), print)
    with listener(1) as one:
        named(tmp_path, one)
        tells(engine, {'{server="uvicorn",team="shop"}': 1})


LINE = (
    "{n:4d}: 0100007F:1F90 00000000:0000 {state} 00000000:{rx:08X} 00:00000000 00000000 0 0 {i} 1"
)


def test_only_what_listens_is_read_of_many_connections(tmp_path: Path) -> None:
    """The kernel lists it first; a line that is none ends nothing but its table."""
    home = tmp_path / "7" / "net"
    home.mkdir(parents=True)
    lines = [("0A", 3, 11), ("0A", 0, 12), ("01", 99, 13), ("0A", 5, 14)]
    table = [LINE.format(n=n, state=state, rx=rx, i=i) for n, (state, rx, i) in enumerate(lines)]
    (home / "tcp").write_text("\n".join(["  sl  local_address", *table]))
    proc = Proc(str(tmp_path))

    assert proc.waiting(7) == {11: 3, 12: 0}
    (home / "tcp6").write_text("  sl\n" + table[0].replace(" 11 ", " 21 ") + "\nwhat\n")
    assert proc.waiting(7) == {11: 3, 12: 0, 21: 3}
    assert proc.waiting(8) == {}


def test_a_series_is_no_series_of_the_process_itself() -> None:
    """It is read apart, once for each socket, and a child has none."""
    before = recording()
    shard = Shard(None)
    use(Recording(shard))
    try:
        with listener(0) as one, listener(0) as other:
            for _ in range(2):
                http_workers.listening("uvicorn", [one.fileno(), other.fileno(), -1])
                http_workers.listening_somewhere("uvicorn")
            file = ShardFile(shard.snapshot())
            assert [*file.sockets] == [inode(one), inode(other), 0]
            assert {dict(found.attributes)["server"] for found in file.sockets.values()} == {
                "uvicorn"
            }
            assert file.series == []
    finally:
        use(before)
        http_workers._forked()
        shard.close()
