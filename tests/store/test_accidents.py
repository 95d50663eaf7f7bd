"""Hostile machines: closed descriptors, full and forbidden places, vanished directories.  The
application runs on, its files stay its own, and what is lost is said once."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.programs import PREAMBLE, run, shards, totals

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and become others")

GROW = """
        for number in range(3000):
            HITS.bind(f"{number} {'x' * 100}")(1)
"""


def test_a_daemon_that_closes_all_descriptors_keeps_its_own_files(tmp_path: Path) -> None:
    """It opens files under the numbers that were ours; our growth writes not one byte into them,
    closes none, and the files are whole although nobody closes them before the end."""
    log = tmp_path / "log"
    log.mkdir()
    run(
        f"""
        import warnings
        warnings.simplefilter("ignore")  # That nobody closes the files is what is tested.
        HITS.bind("x")(1)
        os.closerange(0, 100)
        files = [open(f"{log}/{{number}}", "w") for number in range(20)]
        for file in files:
            file.write("written before\\n")
        {GROW}
        HITS.bind("x")(1)
        for number, file in enumerate(files):
            file.write(f"line of {{number}}\\n")
        """,
        tmp_path,
    )
    found = totals(tmp_path)

    assert {(log / str(number)).read_text() for number in range(20)} == {
        f"written before\nline of {number}\n" for number in range(20)
    }
    assert found.pop("x") == 2
    assert len(found) == 3000


def test_closed_standard_streams_stay_closed_for_us(tmp_path: Path) -> None:
    """A program started without stdin, stdout and stderr: none of our descriptors is one of
    those."""
    code = f"""
        {GROW}
        for stream in (0, 1, 2):
            try:
                os.fstat(stream)
            except OSError:
                continue
            os._exit(3)
        print("to nobody")
        """
    run(
        code,
        tmp_path,
        capture_output=False,
        preexec_fn=lambda: os.closerange(0, 3),
    )

    assert len(totals(tmp_path)) == 3000


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 128 KiB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("root may not mount here, as in most containers")
    yield place
    subprocess.run(["umount", place], check=True)


@root
def test_on_a_full_disk_what_exists_goes_on(tiny: Path) -> None:
    """Series that found room stay exact, the application lives, one line tells."""
    result = run(
        f"""
        HITS.bind("x")(1)
        {GROW}
        HITS.bind("x")(1)
        print("alive")
        """,
        tiny,
    )
    found = totals(tiny)

    assert result.stdout == "alive\n"
    assert result.stderr.count("\n") == 1
    assert "No space left on device; new series of process" in result.stderr
    assert found.pop("x") == 2
    assert 50 < len(found) < 3000
    assert set(found.values()) == {1}


@root
def test_on_a_disk_that_is_full_from_the_start_the_program_runs(tiny: Path) -> None:
    """There is not even room for the first page: one line, no file, no SIGBUS."""
    (tiny / "other").write_bytes(bytes(128 * 1024))
    result = run("HITS.bind('x')(1); print('alive')", tiny)

    assert result.stdout == "alive\n"
    assert result.stderr.count("\n") == 1
    assert f"cannot keep state in {tiny}" in result.stderr
    assert os.listdir(tiny) == ["other"]


@root
def test_room_that_comes_back_is_used(tiny: Path) -> None:
    """Once somebody made room, new series are recorded again."""
    filler = tiny / "filler"
    result = run(
        f"""
        with open({str(filler)!r}, "wb") as file:
            file.write(bytes(40 * 1024))
        {GROW}
        os.unlink({str(filler)!r})
        shard._full_until = 0
        HITS.bind("new")(1)
        print(repr(shard.reason))
        """,
        tiny,
    )

    assert result.stdout == "''\n"
    assert totals(tiny)["new"] == 1


@root
def test_room_that_comes_later_takes_what_was_recorded_meanwhile(tiny: Path) -> None:
    """By four threads that go on, in series old and new, and by a child that is forked then."""
    filler = tiny / "filler"
    filler.write_bytes(bytes(128 * 1024))
    result = run(
        f"""
        sys.setswitchinterval(0.000001)
        add = [HITS.bind(str(number)) for number in range(4)]
        going = threading.Barrier(5)

        def work(number):
            going.wait()
            for _ in range(20_000):
                add[number](1)
            LATENCY.bind(str(number))(1.5)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        going.wait()
        os.unlink({str(filler)!r})
        shard._full_until = 0
        shard.check()
        print(shard.stored, repr(shard.reason))
        for thread in threads:
            thread.join()
        if os.fork() == 0:
            HITS.bind("child")(1)
            os._exit(0)
        os.wait()
        """,
        tiny,
    )

    assert result.stdout == "True ''\n"
    assert result.stderr.count("\n") == 2
    assert f"monagent: there is room in {tiny}: metrics of process" in result.stderr
    assert totals(tiny) == {**{str(number): 20_000 for number in range(4)}, "child": 1}
    assert totals(tiny, "latency") == {str(number): 1 for number in range(4)}


@root
def test_room_is_looked_for_again_at_growing_distances(tiny: Path) -> None:
    """Where there is none for long, looking costs nothing."""
    (tiny / "filler").write_bytes(bytes(128 * 1024))
    result = run(
        """
        waits = []
        for _ in range(12):
            shard._full_until = 0
            shard.check()
            waits.append(round(shard._wait))
        shard.check()
        print(waits, os.listdir(DIRECTORY))
        """,
        tiny,
    )

    assert result.stdout == (
        "[4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024, 1024] ['filler']\n"
    )
    assert result.stderr.count("\n") == 1


def test_a_limit_on_file_sizes_is_a_full_disk(tmp_path: Path) -> None:
    """No SIGXFSZ ends the application."""
    result = run(
        f"""
        import resource
        HITS.bind("x")(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        {GROW}
        HITS.bind("x")(1)
        print("alive")
        """,
        tmp_path,
    )

    assert result.stdout == "alive\n"
    assert "File too large; new series of process" in result.stderr
    assert totals(tmp_path)["x"] == 2


def test_with_few_descriptors_the_application_gets_them(tmp_path: Path) -> None:
    """`ulimit -n 64`: growing takes few; when there is none left, what exists goes on."""
    result = run(
        f"""
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        {GROW}
        files = []
        try:
            while True:
                files.append(open(os.devnull))
        except OSError:
            pass
        print(len(files))
        HITS.bind("x")(1)
        for number in range(3000):
            LATENCY.bind(f"{{number}} {{'y' * 100}}")(1.0)
        HITS.bind("x")(1)
        """,
        tmp_path,
    )

    assert int(result.stdout) > 40
    assert totals(tmp_path)["x"] == 2


@root
def test_a_forbidden_directory_costs_one_line(tmp_path: Path) -> None:
    """Another user's directory: the program runs and records nowhere."""
    nobody = pwd.getpwnam("nobody")
    tmp_path.chmod(0o755)
    become = f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})"
    result = run(
        """
        HITS.bind("x")(1)
        if os.fork() == 0:
            HITS.bind("x")(1)
            os._exit(0)
        os.wait()
        print(shard.stored, shard.reason.startswith("cannot keep state in"))
        """,
        tmp_path,
        preamble=PREAMBLE.replace("shard = ", f"{become}\nshard = "),
    )

    assert result.stdout == "False True\n"
    assert result.stderr.count("Permission denied") == 2
    assert result.stderr.count("\n") == 2
    assert shards(tmp_path) == []


@root
def test_a_read_only_place_costs_one_line(tmp_path: Path) -> None:
    """As in a container with a read-only root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=True)
    try:
        result = run("HITS.bind('x')(1); print('alive')", tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert result.stdout == "alive\n"
    assert result.stderr.count("Read-only file system") == 1
    assert result.stderr.count("\n") == 1


def test_a_removed_directory_is_made_again(tmp_path: Path) -> None:
    """A cleaner of temporary files wipes everything: numbers go on from zero in a new file."""
    directory = tmp_path / "monagent-0" / "1-2"
    directory.mkdir(parents=True, mode=0o700)
    run(
        """
        import shutil
        HITS.bind("x")(5)
        HITS.bind("idle")(5)
        shutil.rmtree(os.path.dirname(DIRECTORY))
        shard.check()
        HITS.bind("x")(2)
        HITS.bind("new")(1)
        shard.check()
        """,
        directory,
    )

    assert totals(directory) == {"x": 2, "idle": 0, "new": 1}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert directory.parent.stat().st_mode & 0o777 == 0o700
    assert len(shards(directory)) == 1


def test_a_directory_that_goes_before_anything_is_recorded_is_made_again(tmp_path: Path) -> None:
    """A daemon's, say, whose tree has ended while nobody recorded."""
    directory = tmp_path / "monagent-0" / "1-2"
    directory.mkdir(parents=True, mode=0o700)
    done = run(
        """
        import shutil
        HITS.bind("x")(5)
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            shutil.rmtree(os.path.dirname(DIRECTORY))
            HITS.bind("x")(2)
            os._exit(0)
        """,
        directory,
    )

    assert done.stderr == ""
    assert totals(directory) == {"x": 2}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_somebody_else_put_there_is_not_used(tmp_path: Path) -> None:
    """After a wipe a directory stands there that others can write to: nothing of ours goes in."""
    result = run(
        """
        HITS.bind("x")(5)
        os.unlink(shard.path)
        os.chmod(DIRECTORY, 0o777)
        shard.check()
        HITS.bind("x")(2)
        shard.check()
        print(shard.stored)
        """,
        tmp_path,
    )

    assert result.stdout == "False\n"
    assert result.stderr.count("found mode 777, expected one that others cannot write to") == 1
    assert os.listdir(tmp_path) == []


def test_a_path_that_leads_to_another_file_is_not_written_to(tmp_path: Path) -> None:
    """Somebody replaced our file, and our descriptor is closed: growing goes nowhere."""
    run(
        f"""
        HITS.bind("x")(5)
        path = shard.path
        os.unlink(path)
        with open(path, "w") as file:
            file.write("theirs")
        os.closerange(3, 100)
        {GROW}
        with open(path) as file:
            assert file.read() == "theirs"
        """,
        tmp_path,
    )

    (path,) = tmp_path.glob("*.shard")
    assert path.read_text() == "theirs"
