"""The exporter as a process: one per directory, as long as its tree, replaceable at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path

import pytest

import monagent.exporter
from monagent.exporter import __main__ as command
from monagent.exporter import detach
from monagent.store import directory, process
from monagent.store.reader import scan
from tests.exporter.forge import ACTIVE, LATENCY, REQUESTS, Forged
from tests.exporter.running import (
    DEADLINE,
    MAIN,
    exporter,
    fetch,
    sleeper,
    text_samples,
    until,
    write_root,
)
from tests.ports import free_port

TOTAL = 'http_requests_total{route="/"}'


def test_it_serves_the_total_of_the_living_and_the_dead(tmp_path: Path) -> None:
    """Three processes count, one dies: its counters stay, what it had in flight goes."""
    with sleeper() as one, sleeper() as two, sleeper() as three:
        write_root(tmp_path, one.pid)
        for number, child in enumerate((one, two, three), 1):
            Forged(
                str(tmp_path),
                [
                    (REQUESTS, {"route": "/"}, [number * 1.0]),
                    (LATENCY, {"route": "/"}, [0.5, 1.0, 2.0, 3.0, 0.01, 7.0]),
                    (ACTIVE, {}, [1.0]),
                ],
                pid=child.pid,
            )
        with exporter(tmp_path) as running:
            before = running.samples()
            two.kill()
            two.wait()
            until(lambda: len(scan(str(tmp_path))) == 2, "the fold")
            after = running.samples()

    assert before[TOTAL] == after[TOTAL] == 6.0
    assert before["http_server_active_requests"] == 3.0
    assert after["http_server_active_requests"] == 2.0
    bucket = 'http_server_request_duration_seconds_bucket{le="+Inf",route="/"}'
    assert before[bucket] == after[bucket] == 18.0
    assert after["monagent_shards_folded_total"] == 1.0
    assert after['monagent_shards{state="live"}'] == 2.0


def test_it_ends_with_its_tree_and_leaves_nothing(tmp_path: Path) -> None:
    """The root and every recording process must be gone; then the directory goes, too."""
    path = tmp_path / "state"
    path.mkdir()
    with sleeper() as root, sleeper() as worker:
        write_root(path, root.pid)
        Forged(str(path), [(REQUESTS, {"route": "/"}, [1.0])], pid=worker.pid)
        with exporter(path) as running:
            assert running.samples()[TOTAL] == 1.0
            root.kill()
            root.wait()
            assert running.samples()[TOTAL] == 1.0
            assert running.process.poll() is None

            worker.kill()
            worker.wait()
            assert running.process.wait(DEADLINE) == 0

    assert not path.exists()


def test_a_directory_that_was_given_stays_but_empty(tmp_path: Path) -> None:
    """MONAGENT_DIR may be a mount point or somebody's own."""
    with sleeper() as root:
        write_root(tmp_path, root.pid)
        with exporter(tmp_path, MONAGENT_DIR=str(tmp_path)) as running:
            assert running.url
            root.kill()
            root.wait()
            assert running.process.wait(DEADLINE) == 0

    assert os.listdir(tmp_path) == []


def test_the_second_exporter_of_a_directory_ends_at_once(tmp_path: Path) -> None:
    """Whoever lost the lock exits with 0 and changes nothing."""
    write_root(tmp_path, os.getpid())
    with exporter(tmp_path) as first:
        url = first.url
        with exporter(tmp_path) as second:
            assert second.process.wait(DEADLINE) == 0

        assert first.url == url
        assert first.get().status == 200


def test_signals_meant_for_the_program_do_not_end_it(tmp_path: Path) -> None:
    """Ctrl-C and a closed terminal reach whole groups."""
    write_root(tmp_path, os.getpid())
    with exporter(tmp_path) as running:
        assert running.get().status == 200
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            running.process.send_signal(number)

        assert running.get().status == 200
        assert running.end(signal.SIGTERM) == 0
    assert (tmp_path / "root").exists()


def test_killed_at_random_moments_and_replaced_it_never_shows_a_smaller_total(
    tmp_path: Path,
) -> None:
    """Workers come, count and die all the time while exporter after exporter is killed -9."""
    write_root(tmp_path, os.getpid())
    rng = random.Random(7)
    stop = threading.Event()
    counted = [0]

    def churn() -> None:
        while not stop.is_set():
            child = subprocess.Popen(["sleep", "1000"])
            Forged(
                str(tmp_path),
                [
                    (REQUESTS, {"route": "/"}, [1.0]),
                    (LATENCY, {"route": "/"}, [0.1, 1, 0, 0, 1, 1]),
                ],
                pid=child.pid,
            )
            counted[0] += 1
            child.kill()
            child.wait()
            time.sleep(0.005)

    worker = threading.Thread(target=churn)
    worker.start()
    before: dict[str, float] = {}
    port = free_port()
    try:
        for _ in range(6):
            with exporter(tmp_path, MONAGENT_PORT=str(port)) as running:
                until(lambda: _scrape(port), "a scrape")
                for _ in range(rng.randint(2, 8)):
                    before = _risen(before, running.samples())
                    time.sleep(rng.random() * 0.3)
                running.process.kill()
        until(lambda: counted[0] > 100, "a hundred workers")
    finally:
        stop.set()
        worker.join()
    with exporter(tmp_path, MONAGENT_PORT=str(port)) as running:
        until(lambda: _scrape(port), "a scrape")
        last = _risen(before, running.samples())

    assert last[TOTAL] == counted[0]
    assert last['http_server_request_duration_seconds_count{route="/"}'] == counted[0]


def _risen(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    for name, value in before.items():
        metric = name.partition("{")[0]
        if metric.endswith(("_total", "_bucket", "seconds_count", "_sum")):
            assert after[name] >= value, name
    return after


def _scrape(port: int) -> bool:
    try:
        return fetch(port, "/metrics").status == 200
    except (OSError, HTTPException):
        return False


def test_it_says_what_it_died_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its own stderr is nobody's: on that of the program, and in the log."""
    path = directory.prepare(str(tmp_path / "state"))
    write_root(Path(path), os.getpid())

    def fail(*_: object) -> int:
        raise RuntimeError("no loop")

    monkeypatch.setattr(monagent.exporter, "run", fail)
    monkeypatch.setattr(detach, "settle", lambda: None)  # This process has ties.
    with pytest.raises(RuntimeError):
        command.main(["--dir", path])

    said = capfd.readouterr().err
    assert said.startswith("monagent: the exporter has failed: RuntimeError('no loop') (")
    assert "Traceback" in Path(path, directory.LOG).read_text()


def test_a_wiped_directory_costs_no_number_and_is_taken_again(tmp_path: Path) -> None:
    """Somebody cleans temporary files under a running tree."""
    path = tmp_path / "state"
    path.mkdir()
    with sleeper() as root, sleeper() as worker:
        write_root(path, root.pid)
        Forged(str(path), [(REQUESTS, {"route": "/"}, [3.0])], pid=root.pid)
        Forged(str(path), [(REQUESTS, {"route": "/"}, [4.0])], pid=worker.pid)
        with exporter(path) as running:
            port = running.port
            worker.kill()
            worker.wait()
            until((path / "retained").exists, "the fold")
            # At once: it would find what is written meanwhile.
            path.rename(tmp_path / "wiped")
            shutil.rmtree(tmp_path / "wiped")
            until((path / "exporter.lock").exists, "the lock")
            until((path / "retained").exists, "the total")
            found = text_samples(fetch(port, "/metrics").text)
            with exporter(path) as second:
                assert second.process.wait(DEADLINE) == 0

            assert found[TOTAL] == 7.0
            assert running.port == port


def test_a_shard_that_is_cut_short_keeps_its_last_numbers(tmp_path: Path) -> None:
    """Also for a reader that would otherwise die of it."""
    write_root(tmp_path, os.getpid())
    shard = Forged(str(tmp_path), [(REQUESTS, {"route": "/"}, [3.0])])
    with exporter(tmp_path) as running:
        assert running.samples()[TOTAL] == 3.0
        os.truncate(shard.path, 100)
        found = running.samples()

    assert found[TOTAL] == 3.0
    assert found["monagent_shards_unreadable_total"] >= 1.0


def test_foreign_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    """Garbage, an empty file, a directory, a shard of another version."""
    write_root(tmp_path, os.getpid())
    Forged(str(tmp_path), [(REQUESTS, {"route": "/"}, [3.0])])
    pid = os.getpid()
    (tmp_path / f"{pid}-a.shard").write_bytes(os.urandom(4096))
    (tmp_path / f"{pid}-b.shard").write_bytes(b"")
    (tmp_path / f"{pid}-c.shard").mkdir()
    version = bytearray(Forged(str(tmp_path)).content())
    version[8] = 99
    (tmp_path / f"{pid}-d.shard").write_bytes(version)
    with exporter(tmp_path) as running:
        found = running.samples()

    assert found[TOTAL] == 3.0
    assert found["monagent_shards_unreadable_total"] == 3.0


def test_what_a_tree_left_goes_unless_somebody_records_there(tmp_path: Path) -> None:
    """A killed container's state is memory; a daemon whose exporter was killed still counts."""
    home = tmp_path / f"monagent-{os.geteuid()}"
    own, left, daemons = home / "own", home / "left", home / "daemons"
    with sleeper() as daemon, sleeper() as dead:
        for place, child in ((own, daemon), (left, dead), (daemons, daemon)):
            place.mkdir(parents=True, mode=0o700)
            Forged(str(place), [(REQUESTS, {}, [1.0])], pid=child.pid)
            os.utime(place, (0, 0))
        dead.kill()
        dead.wait()
        with exporter(own) as running:
            assert running.url
            until(lambda: not left.exists(), "the end of what was left")
            assert sorted(home.iterdir()) == [daemons, own]


def test_a_taken_port_is_told_once_and_had_as_soon_as_it_is_free(tmp_path: Path) -> None:
    """The line goes to the stderr of the tree's root, which the exporter does not hold."""
    with socket.socket() as owner:
        port = free_port()
        owner.bind(("127.0.0.1", port))
        owner.listen()
        root = subprocess.Popen(["sleep", "1000"], stderr=subprocess.PIPE)
        assert root.stderr is not None
        try:
            write_root(tmp_path, root.pid)
            with exporter(tmp_path, MONAGENT_PORT=str(port)) as running:
                line = root.stderr.readline()
                time.sleep(1.5)
                owner.close()
                until(lambda: _scrape(port), "the port")
                found = running.samples()
        finally:
            root.kill()
            rest = root.stderr.read()
            root.stderr.close()
            root.wait()

    assert line.startswith(b"monagent: port 127.0.0.1:%d is taken" % port)
    assert rest == b""
    assert found["monagent_exporter_bind_failures_total"] >= 1.0


def test_an_inherited_socket_is_served_without_a_gap(tmp_path: Path) -> None:
    """The launcher binds; a scrape that comes before the exporter has started waits, not fails."""
    write_root(tmp_path, os.getpid())
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = bound.getsockname()[1]
        fd = bound.fileno()
        with exporter(tmp_path, "--fd", str(fd), keep=(fd,), MONAGENT_PORT=str(port)) as running:
            assert fetch(port, "/healthz").body == b"ok\n"
            assert running.port == port


def test_a_replacement_listens_on_the_port_its_predecessor_chose(tmp_path: Path) -> None:
    """With port 0 whoever scrapes was told one; it must stay."""
    write_root(tmp_path, os.getpid())
    with exporter(tmp_path) as first:
        port = first.port
        first.process.kill()
        first.process.wait()
    with exporter(tmp_path) as second:
        until(lambda: _scrape(port), "the port")
        assert second.port == port


def test_detached_it_is_nobodys_child_and_holds_nothing(tmp_path: Path) -> None:
    """Whoever reads the starter's output sees its end although the exporter runs on."""
    with sleeper() as root:
        write_root(tmp_path, root.pid)
        read, write = os.pipe()
        started = subprocess.run(
            [sys.executable, "-I", str(MAIN), "--dir", str(tmp_path), "--detach"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"MONAGENT_PORT": "0"},
            pass_fds=(write,),
            timeout=DEADLINE,
            check=True,
        )
        os.close(write)
        assert os.read(read, 1) == b""
        os.close(read)
        assert started.stdout == b""
        until((tmp_path / "endpoint").exists, "the endpoint")
        pid = _holder(tmp_path)
        assert process.parent(pid) != os.getpid()
        assert os.getsid(pid) != os.getsid(0)
        held = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
        assert held == {"/dev/null"}
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    until(lambda: process.start_ticks(pid) is None, "the end")


def _holder(path: Path) -> int:
    from monagent import tree

    return int(until(lambda: tree.exporter_pid(str(path)), "the lock"))


def test_sixty_four_descriptors_are_enough(tmp_path: Path) -> None:
    """More processes than descriptors, and more connections than that."""
    write_root(tmp_path, os.getpid())
    for _ in range(100):
        Forged(str(tmp_path), [(REQUESTS, {"route": "/"}, [1.0])])

    with exporter(tmp_path, descriptors=64) as running:
        idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(100)]
        try:
            assert running.samples()[TOTAL] == 100.0
        finally:
            for one in idle:
                one.close()


PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.1[0-9]*/bin/python"))


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parts[-3])
def test_another_python_runs_it_from_where_it_lies(tmp_path: Path, python: Path) -> None:
    """The program's Python has no monagent and is of another minor version."""
    write_root(tmp_path, os.getpid())
    Forged(str(tmp_path), [(REQUESTS, {"route": "/"}, [3.0])])
    with exporter(tmp_path, python=str(python)) as running:
        assert running.samples()[TOTAL] == 3.0
