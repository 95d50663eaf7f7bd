"""Last numbers reach an OTLP receiver, a Pushgateway and a file, sent by the exporter alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import Gauge

from monagent import settings, tree
from monagent.exporter import delivery, outbox
from monagent.exporter.delivery import (
    ATTEMPTS,
    TAKEN,
    Failed,
    Outcome,
    Pushgateway,
    Textfile,
    deliver,
    group_url,
)
from monagent.exporter.disk import Disk
from monagent.exporter.engine import Total
from monagent.exporter.otel import metrics_data
from monagent.exporter.own import Own
from monagent.exporter.table import Table
from monagent.exporter.worker import Worker
from tests.exporter.forge import ACTIVE, LATENCY, REQUESTS, TEMPERATURE, Forged
from tests.exporter.running import (
    DEADLINE,
    exporter,
    fetch,
    sleeper,
    text_samples,
    until,
    write_root,
)
from tests.ports import free_port
from tests.services._started import program

NOTHING = Total(Table(), [], {}, 0.0)


def counted(path: Path, pid: int) -> None:
    """A process that did a little of everything, as a user's own service."""
    Forged(
        str(path),
        [
            (REQUESTS, {"route": "/", "ok": True, "n": 5, "tags": ["a"]}, [3.0]),
            (LATENCY, {}, [0.75, 1.0, 0.0, 2.0, 0.01, 7.5]),
            (ACTIVE, {}, [1.0]),
            (TEMPERATURE, {"room": "a"}, [21.5, 1.0]),
            (TEMPERATURE, {"room": "never"}, [0.0, 0.0]),
        ],
        pid=pid,
        info={"argv0": "job.py", "resource": {"team": "blue"}},
    )


def test_one_that_is_told_to_end_before_it_has_begun_delivers(tmp_path: Path) -> None:
    """Its own start takes longer than a program of a moment."""
    file, path = tmp_path / "last.prom", tmp_path / "state"
    path.mkdir()
    with sleeper() as root:
        write_root(path, root.pid)
        counted(path, root.pid)
        with exporter(path, MONAGENT_TEXTFILE=str(file)) as running:
            until(lambda: tree.exporter_pid(str(path)), "the lock")
            assert running.end() == 0

    assert "http_requests_total{" in file.read_text()


def test_a_goal_that_is_not_there_is_told_in_one_line_and_delays_the_end_by_little(
    tmp_path: Path,
) -> None:
    """Nobody listens; the line goes to the root's stderr while it lives."""
    port = free_port()
    root = subprocess.Popen(["sleep", "1000"], stderr=subprocess.PIPE)
    assert root.stderr is not None
    try:
        write_root(tmp_path, root.pid)
        counted(tmp_path, root.pid)
        with exporter(tmp_path, MONAGENT_PUSHGATEWAY=f"http://127.0.0.1:{port}") as running:
            assert running.get().status == 200
            assert running.end() == 0
    finally:
        root.kill()
        told = root.stderr.read()
        root.stderr.close()
        root.wait()

    assert told.count(b"\n") == 2
    assert b"the last numbers were not delivered to http://127.0.0.1:" in told


@contextmanager
def pushgateway() -> Iterator[int]:
    """A real Pushgateway on a free port."""
    binary = program("prometheus-pushgateway", "prometheus-pushgateway")
    port = free_port()
    child = subprocess.Popen(
        [binary, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _ready(port), "the Pushgateway")
        yield port
    finally:
        child.terminate()
        child.wait()


def _ready(port: int) -> bool:
    try:
        return fetch(port, "/-/ready").status == 200
    except OSError:
        return False


def test_a_pushgateway_and_a_file_get_the_last_numbers(tmp_path: Path) -> None:
    """The group is that of the service, or of the program where the service has no name."""
    state = tmp_path / "state"
    state.mkdir()
    with pushgateway() as port:
        for name, given in (("job.py", ""), ("a/b", "a/b")):
            with sleeper() as root:
                write_root(state, root.pid)
                counted(state, root.pid)
            with exporter(
                state,
                MONAGENT_DIR=str(state),
                MONAGENT_PUSHGATEWAY=f"http://127.0.0.1:{port}",
                MONAGENT_TEXTFILE=str(tmp_path / "metrics.prom"),
                MONAGENT_SERVICE_NAME=given,
            ) as running:
                assert running.process.wait(DEADLINE) == 0
            pushed = text_samples(fetch(port, "/metrics").text)
            found = [
                value
                for key, value in pushed.items()
                if key.startswith("http_requests_total{") and f'job="{name}"' in key
            ]
            assert found == [3.0], name

    text = (tmp_path / "metrics.prom").read_text()
    assert text_samples(text)["http_server_request_duration_seconds_count"] == 3.0
    assert (tmp_path / "metrics.prom").stat().st_mode & 0o777 == 0o644
    assert not (tmp_path / "metrics.prom.new").exists()


@pytest.mark.parametrize(
    ("url", "job", "expected"),
    [
        ("http://gw:9091", "app", "http://gw:9091/metrics/job/app"),
        ("http://gw/x", "a b", "http://gw/x/metrics/job/a%20b"),
        ("http://gw", "a/b", "http://gw/metrics/job@base64/YS9i"),
        ("http://gw/metrics/job/x/instance/y", "app", "http://gw/metrics/job/x/instance/y"),
    ],
)
def test_a_group_is_named_by_the_job_unless_the_url_names_one(
    url: str, job: str, expected: str
) -> None:
    """Slashes need base64, by the Pushgateway's own rule."""
    assert group_url(url, job) == expected


def test_a_failure_is_repeated_a_few_times_unless_it_is_final() -> None:
    """A Pushgateway that says 400 will say so again."""
    waited: list[float] = []
    tries: list[bool] = []

    class Goal:
        name, where, attempts, trouble = "goal", "", ATTEMPTS, ""

        def __init__(self, final: bool) -> None:
            self.final = final

        def send(self, total: Total, text: bytes) -> Outcome:
            tries.append(self.final)
            raise Failed("no", self.final)

    assert deliver(Goal(False), NOTHING, b"", waited.append) == Outcome("no")
    assert deliver(Goal(True), NOTHING, b"", waited.append) == Outcome("no")

    assert tries == [False] * 3 + [True]
    assert waited == [0.5, 1.0]


@pytest.mark.parametrize("trouble", ["", "http://there: timed out"])
def test_a_goal_that_keeps_its_delivery_waiting_is_given_up_and_named_alone(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what went wrong so far; the others have their own outcomes."""
    answered = threading.Event()
    said: list[str] = []

    class Goal:
        attempts = 1

        def __init__(self, name: str, send: Callable[[Goal], Outcome]) -> None:
            self.name, self.where, self.trouble, self._send = name, f"http://{name}", "", send

        def send(self, total: Total, text: bytes) -> Outcome:
            return self._send(self)

    def wait(goal: Goal) -> Outcome:
        goal.trouble = trouble
        answered.wait(DEADLINE)
        return TAKEN

    def fail(goal: Goal) -> Outcome:
        raise Failed("file: No space left")

    goals = [Goal("there", wait), Goal("file", fail), Goal("taken", lambda _: TAKEN)]
    engine: Any = SimpleNamespace(
        info={}, own=Own(Table(), {}), scrape=lambda _: b"", total=lambda: None
    )
    voice: Any = SimpleNamespace(say=said.append)
    monkeypatch.setattr(outbox, "LAST", 0.3)
    monkeypatch.setattr(delivery, "at_the_end", lambda *_: goals)

    async def deliver() -> None:
        await outbox.Outbox(settings.load({}), engine, Worker(), voice).last()

    asyncio.run(deliver())
    answered.set()

    beginning = "the last numbers were not delivered to"
    assert said == [
        f"{beginning} file: No space left",
        f"{beginning} {trouble or 'http://there: no answer'}; given up after 0 s",
    ]


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """The old content stays."""

    class Full(Disk):
        def write(self, fd: int, data: memoryview) -> int:
            raise OSError(28, "No space left on device")

    path = tmp_path / "m.prom"
    path.write_text("old")

    with pytest.raises(Failed, match=r"m\.prom: No space left"):
        Textfile(str(path), Full()).send(NOTHING, b"new")
    with pytest.raises(Failed, match="No such file"):
        Textfile("/does/not/exist/m.prom").send(NOTHING, b"new")
    assert path.read_text() == "old"


def test_only_a_regular_file_makes_room_for_the_numbers(tmp_path: Path) -> None:
    """A named pipe or a directory stays, with a line; a symbolic link goes on to its file."""
    pipe, folder, link, file, far = (tmp_path / name for name in ("p", "d", "l", "f", "far"))
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to(file)
    file.write_text("old")
    far.symlink_to(folder / "new")

    for path, found in ((pipe, "a named pipe"), (folder, "a directory")):
        with pytest.raises(Failed, match=f"{path}: found {found}, expected a regular file or a"):
            Textfile(str(path)).send(NOTHING, b"new")
    for path in (link, far):
        Textfile(str(path)).send(NOTHING, b"new")

    assert pipe.is_fifo()
    assert (link.is_symlink(), file.read_text()) == (True, "new")
    assert (far.is_symlink(), (folder / "new").read_text()) == (True, "new")


def test_a_password_in_the_url_is_sent_and_never_shown() -> None:
    """As basic authentication; the failure's line names the host alone."""
    with pytest.raises(Failed) as failure:
        Pushgateway("http://user:secret@127.0.0.1:1", "job").send(NOTHING, b"")

    assert "secret" not in str(failure.value)


def test_the_default_mode_imports_no_protobuf_and_no_grpc() -> None:
    """Nothing of OpenTelemetry either, and no OpenSSL."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import monagent.exporter as e;"
        "e._import_asyncio_without_tls(); import monagent.exporter.life;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('google', 'grpc', 'opentelemetry', 'yaml', 'bcrypt', 'ssl', '_ssl', 'http', 'email')])"
    )
    root = Path(__file__).parents[2] / "src"

    found = subprocess.run(
        [sys.executable, "-I", "-c", program, str(root)], capture_output=True, check=True, text=True
    )

    assert found.stdout == "[]\n"


def test_data_of_the_sdk_leave_out_what_nobody_contributes_to() -> None:
    """A gauge of a dead process, and one that was never set."""
    table = Table()
    for attributes, feeds in (({"room": "a"}, 0), ({"room": "b"}, 1), ({"room": "c"}, 1)):
        table.target(TEMPERATURE, attributes).feeds = feeds
    cells = [20.0, 1.0, 21.0, 1.0, 0.0, 0.0]

    data = metrics_data(table.targets, cells, {}, 1.0)

    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    assert isinstance(metric.data, Gauge)
    assert [p.attributes for p in metric.data.data_points] == [{"room": "b"}]
