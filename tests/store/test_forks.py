"""A forked child has a shard of its own, made when it first records, whoever forks whenever."""

from __future__ import annotations

import os
import pwd
import sys
import threading
from pathlib import Path

import pytest

from monagent.store import layout
from monagent.store.reader import ShardFile, scan
from tests.store.programs import repeated, run, shards, totals

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_forks_inherit_nothing(tmp_path: Path) -> None:
    """Five before the fork and one in each of four children are nine; a child that records nothing
    has no numbers."""
    run(
        """
        record = HITS.bind("x")
        for _ in range(5):
            record(1)
        for number in range(5):
            if os.fork() == 0:
                if number:
                    record(1)
                os._exit(0)
        for _ in range(5):
            os.wait()
        """,
        tmp_path,
    )

    assert totals(tmp_path) == {"x": 9}
    assert len(shards(tmp_path)) == 5


def test_grandchildren_and_new_series_count_too(tmp_path: Path) -> None:
    """Each generation records into what it inherited and makes a series of its own."""
    run(
        """
        def generation(depth):
            HITS.bind("all")(1)
            HITS.bind(f"generation {depth}")(1)
            LATENCY.bind("all")(1.5)
            if depth < 4:
                if os.fork() == 0:
                    generation(depth + 1)
                    os._exit(0)
                os.wait()
        generation(0)
        """,
        tmp_path,
    )

    each = {f"generation {depth}": 1 for depth in range(5)}
    assert totals(tmp_path) == {"all": 5, **each}
    assert totals(tmp_path, "latency") == {"all": 5}


def test_a_fork_storm_loses_nothing(tmp_path: Path) -> None:
    """500 forks while four threads record and make series, and a reader reads all shards all the
    time: totals are exact, no child hangs, no reader sees a counter fall."""
    done = threading.Event()
    seen: list[float] = []
    read = threading.Thread(target=_read_on, args=(tmp_path, done, seen))
    read.start()
    try:
        result = run(
            """
            stop = threading.Event()
            counted = [0] * 4
            def work(number):
                while not stop.is_set():
                    HITS.bind("thread")(1)
                    HITS.bind(f"{number} {counted[number] // 20 % 40}")(1)
                    LATENCY.bind("thread")(0.5)
                    counted[number] += 1
                    time.sleep(0.0002)
            sys.setswitchinterval(1e-5)
            threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            slowest = 0
            import warnings
            warnings.simplefilter("ignore")  # 3.12 warns of forks beside threads.
            for number in range(500):
                begun = time.monotonic()
                if os.fork() == 0:
                    HITS.bind("child")(1)
                    HITS.bind(f"child {number % 10}")(1)
                    LATENCY.bind("child")(0.5)
                    os._exit(0)
                os.wait()
                slowest = max(slowest, time.monotonic() - begun)
            stop.set()
            for thread in threads:
                thread.join()
            print(sum(counted), slowest)
            """,
            tmp_path,
        )
    finally:
        done.set()
        read.join()
    counted, slowest = result.stdout.split()
    found = totals(tmp_path)
    latency = totals(tmp_path, "latency")

    assert found.pop("thread") == int(counted)
    assert found.pop("child") == 500
    assert [found.pop(f"child {number}") for number in range(10)] == [50] * 10
    assert sum(found.values()) == int(counted)
    assert latency == {"thread": int(counted), "child": 500}
    assert float(slowest) < 20
    assert seen == sorted(seen)
    assert len(seen) > 3  # A busy machine reads seldom.


def _read_on(directory: Path, done: threading.Event, seen: list[float]) -> None:
    """Reads shards as they appear, and of the first one, the parent's, what it says of hits."""
    files: dict[str, ShardFile] = {}
    while not done.is_set():
        for path in scan(str(directory)):
            if path not in files:
                try:
                    files[path] = ShardFile.open(path, keep=False)
                except layout.Nascent:
                    continue
                assert files[path].torn == 0
        for file in list(files.values())[:1]:
            file.refresh()
            values = file.values()
            seen.append(sum(values[s.index] for s in file.series if s.instrument.name == "hits"))
            assert file.torn == 0
        done.wait(0.005)


def test_a_fork_while_another_thread_makes_a_series_loses_nothing(tmp_path: Path) -> None:
    """Every child records into series that another thread may just have been making."""
    run(
        """
        import warnings
        warnings.simplefilter("ignore")
        sys.setswitchinterval(1e-5)
        stop = threading.Event()
        made = [0]
        def work():
            while not stop.is_set() and made[0] < 1000:
                HITS.bind(f"made {made[0]}")
                made[0] += 1
        thread = threading.Thread(target=work)
        thread.start()
        for number in range(40):
            if os.fork() == 0:
                for turn in range(10):
                    HITS.bind(f"made {made[0] + turn}")(1)
                os._exit(0)
            os.wait()
        stop.set()
        thread.join()
        """,
        tmp_path,
    )

    assert sum(totals(tmp_path).values()) == 400
    assert len(shards(tmp_path)) == 41


def test_a_fork_within_the_making_of_a_record_leaves_no_hole_in_the_childs(tmp_path: Path) -> None:
    """At each line of it, as another thread may fork there."""
    run(
        """
        def traced(frame, event, argument):
            if frame.f_code is not Shard.describe.__code__:
                return None
            if event == "line" and os.fork() == 0:
                sys.settrace(None)
                shard.describe(b'{"of": "the child"}')
                os._exit(0)
            if event == "line":
                os.wait()
            return traced
        sys.settrace(traced)
        with shard.lock:
            shard.describe(b'{"of": "the parent"}')
        sys.settrace(None)
        """,
        tmp_path,
    )

    found = shards(tmp_path)
    assert len(found) > 3
    assert [shard.torn for shard in found] == [0] * len(found)


def test_a_child_that_only_execs_leaves_no_numbers(tmp_path: Path) -> None:
    """Between fork and exec nothing is recorded, so no shard counts."""
    run(
        """
        HITS.bind("x")(3)
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", ""])
        os.wait()
        """,
        tmp_path,
    )

    assert totals(tmp_path) == {"x": 3}
    assert len(scan(str(tmp_path))) == 1


def test_a_program_that_becomes_another_is_no_longer_alive(tmp_path: Path) -> None:
    """exec keeps the pid and the start time, but what recorded is gone: its shard counts as a dead
    one's."""
    code = f"""
        from monagent.store.reader import ShardFile
        HITS.bind("x")(2)
        look = (
            "import sys; from monagent.store.reader import ShardFile;"
            "print(ShardFile.open(sys.argv[1]).alive())"
        )
        print(ShardFile.open(shard.path).alive(), flush=True)
        os.execv({sys.executable!r}, [{sys.executable!r}, "-c", look, shard.path])
    """
    result = run(code, tmp_path)

    assert result.stdout.split() == ["True", "False"]
    assert totals(tmp_path) == {"x": 2}


@root
def test_a_worker_that_drops_root_still_records_and_grows(tmp_path: Path) -> None:
    """As gunicorn's workers do: the child cannot even enter the directory, makes many series, and
    forks again."""
    nobody = pwd.getpwnam("nobody")
    tmp_path.chmod(0o700)
    result = run(
        f"""
        HITS.bind("x")(1)
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid({nobody.pw_gid})
            os.setuid({nobody.pw_uid})
            HITS.bind("x")(1)
            for number in range(3000):
                HITS.bind(f"{{number}}")(1)
            shard.check()
            HITS.bind("x")(1)
            for _ in range(2):
                if os.fork() == 0:
                    HITS.bind("x")(10)
                    HITS.bind("grandchild")(0.5)
                    os._exit(0)
                os.wait()
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        """,
        tmp_path,
    )
    found = totals(tmp_path)
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "workers").iterdir()}

    assert (result.stdout, result.stderr) == ("0\n", "")
    assert modes == {0o644}  # In a container root may read what is its own alone.
    assert found.pop("x") == 23
    assert set(found.values()) == {1}
    assert len(found) == 3001


def test_a_fork_that_python_does_not_see_is_noticed_at_the_next_series(tmp_path: Path) -> None:
    """uWSGI forks in C: the child finds out on the slow path, or when it looks around."""
    code = """
        import ctypes
        HITS.bind("x")(5)
        libc = ctypes.CDLL(None)
        for look in ("series", "check"):
            child = libc.fork()
            if child == 0:
                if look == "check":
                    shard.check()
                else:
                    HITS.bind("new")(1)
                HITS.bind("x")(1)
                os._exit(0)
            os.waitpid(child, 0)
        """
    run(code, tmp_path)

    assert totals(tmp_path) == {"x": 7, "new": 1}
    assert len(shards(tmp_path)) == 3


def test_a_signal_handler_may_fork_while_a_series_is_made(tmp_path: Path) -> None:
    """Parent and child both go on making it: each in its own shard, none twice in one."""
    run(
        """
        children = []
        def fork(*_):
            if not children:
                child = os.fork()
                if child:
                    children.append(child)
                else:
                    children.append(0)
                    signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, fork)
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        number = 0
        while not children or number < 50:
            HITS.bind(str(number))
            number += 1
        HITS.bind("end")(1)
        if children[0] == 0:
            os._exit(0)
        os.wait()
        """,
        tmp_path,
    )

    assert totals(tmp_path)["end"] == 2
    assert [repeated(shard) for shard in shards(tmp_path)] == [0, 0]


@root
def test_a_worker_that_closed_everything_after_dropping_root_costs_one_line(
    tmp_path: Path,
) -> None:
    """The way into the directory is gone, and its number is another file's: nothing is written
    there, the worker runs on."""
    nobody = pwd.getpwnam("nobody")
    tmp_path.chmod(0o700)
    result = run(
        f"""
        HITS.bind("x")(1)
        if os.fork() == 0:
            os.setgid({nobody.pw_gid})
            os.setuid({nobody.pw_uid})
            os.closerange(3, 100)
            others = [os.open("/", os.O_RDONLY) for _ in range(20)]
            HITS.bind("x")(1)
            os._exit(0)
        print(os.wait()[1])
        """,
        tmp_path,
    )

    assert result.stdout == "0\n"
    assert result.stderr.count("\n") == 1
    assert "was closed; metrics of process" in result.stderr
    assert totals(tmp_path) == {"x": 1}


@root
def test_what_a_worker_puts_where_workers_write_harms_no_reader(tmp_path: Path) -> None:
    """A link to a secret, a pipe that nobody writes to: neither is read, nobody waits."""
    workers = tmp_path / "workers"
    workers.mkdir()
    (tmp_path / "secret").write_text("secret")
    (workers / "1-0.shard").symlink_to(tmp_path / "secret")
    os.mkfifo(workers / "2-0.shard")
    refused = []
    for path in scan(str(tmp_path)):
        try:
            ShardFile.open(path)
        except (layout.Foreign, OSError) as error:
            refused.append(type(error))

    assert refused == [OSError, OSError]
