"""Which directory is a tree's own, who was there first, and what is left of trees that are gone."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from monagent import launcher, settings, tree, where
from monagent.store import directory, process
from monagent.store.descriptors import inode
from tests.launch.oracle import ENV, RUN, environment, run


def held(path: Path) -> int:
    """A lock file that this process's child holds; returns the child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        fd = os.open(path / directory.LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.write(write, b"x")
        os.close(write)
        os.read(os.pipe()[0], 1)
        os._exit(0)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return child


def make_old(path: Path) -> None:
    os.utime(path, (1.0, 1.0))


def test_the_first_one_begins_a_tree_and_the_others_join_it(tmp_path: Path) -> None:
    """The same process again (after an exec) does not begin it twice."""
    found = settings.load({"MONAGENT_DIR": str(tmp_path / "deep" / "state")})

    first = tree.find(found, {}, where.bootstrap())
    again = tree.find(found, {}, where.bootstrap())

    assert (first, again) == ((found.dir, True), (found.dir, False))
    assert directory.read_root(first[0]) == (os.getpid(), process.start_ticks(os.getpid()))


def test_a_root_that_has_ended_is_replaced(tmp_path: Path) -> None:
    """A directory that outlives its tree begins anew."""
    directory.prepare(str(tmp_path / "state"))
    directory.write_root(str(tmp_path / "state"), (2**22 + 1, 5))
    found = settings.load({"MONAGENT_DIR": str(tmp_path / "state")})

    _, begun = tree.find(found, {}, where.bootstrap())

    assert begun
    assert directory.read_root(str(tmp_path / "state")) == (
        os.getpid(),
        process.start_ticks(os.getpid()),
    )


def test_what_the_roots_stderr_is_when_a_tree_begins_is_noted(tmp_path: Path) -> None:
    """Also in place of what was noted for a tree before."""
    path = directory.prepare(str(tmp_path / "state"))
    whose = os.getpid(), process.start_ticks(os.getpid()) or 0
    directory.note_stderr(path, (2**22 + 1, 5), found=(1, 2))

    tree.find(settings.load({"MONAGENT_DIR": path}), {}, where.bootstrap())

    assert directory.noted_stderr(path, whose) == inode(os.fstat(2))
    assert directory.noted_stderr(path, (2**22 + 1, 5)) is None


@pytest.mark.parametrize("held_still", [False, True])
def test_what_a_tree_that_was_killed_announced_comes_no_more(
    tmp_path: Path, held_still: bool
) -> None:
    """A service that is begun again within seconds of its beginning gets an exporter at once."""
    state = tmp_path / "state"
    directory.prepare(str(state))
    directory.write_root(str(state), (2**22 + 1, 5))
    tree.announce_exporter(str(state))
    child = held(state) if held_still else 0
    try:
        tree.find(settings.load({"MONAGENT_DIR": str(state)}), {}, where.bootstrap())
        runs = tree.exporter_runs(str(state))
    finally:
        if child:
            os.kill(child, 9)
            os.waitpid(child, 0)

    assert runs is held_still


def test_an_exporter_is_there_if_it_holds_the_lock_or_was_just_announced(tmp_path: Path) -> None:
    """Asking takes no lock, so that one that starts right now finds it free."""
    path = str(tmp_path)
    none = tree.exporter_runs(path), tree.exporter_pid(path)
    tree.announce_exporter(path)
    announced = tree.exporter_runs(path), tree.exporter_pid(path)
    child = held(tmp_path)
    make_old(tmp_path / directory.LOCK)
    holding = tree.exporter_runs(path), tree.exporter_pid(path)
    os.kill(child, 9)
    os.waitpid(child, 0)
    dead = tree.exporter_runs(path), tree.exporter_pid(path)

    assert none == (False, 0)
    assert announced == (True, 0)
    assert holding == (True, child)
    assert dead == (False, 0)


def test_who_has_given_up_opening_files_takes_the_exporter_for_living(tmp_path: Path) -> None:
    """As a sandbox does: it could start none, and would be told so every two seconds."""
    tree.announce_exporter(str(tmp_path))
    make_old(tmp_path / directory.LOCK)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        cannot_tell = tree.exporter_runs(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert (cannot_tell, tree.exporter_runs(str(tmp_path))) == (True, False)


def test_only_directories_without_a_living_soul_are_abandoned(tmp_path: Path) -> None:
    """Not the own one, none with a root or a lock, none of late, none that is not ours."""
    home = tmp_path / f"monagent-{os.geteuid()}"
    visitors = ("own.visitors", "abandoned.visitors", "hostless.visitors")
    kinds = ("own", "root lives", "locked", "young", "abandoned", *visitors)
    for kind in kinds:
        (home / kind).mkdir(parents=True)
    live = (os.getpid(), process.start_ticks(os.getpid()) or 0)
    directory.write_root(str(home / "root lives"), live)
    child = held(home / "locked")
    for kind in kinds:
        if kind != "young":
            make_old(home / kind)
    try:
        found = tree.abandoned(str(home / "own"))
        elsewhere = tree.abandoned(str(tmp_path / "mine"))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)

    assert sorted(found) == [str(home / "abandoned"), str(home / "hostless.visitors")]
    assert elsewhere == []


@pytest.mark.parametrize(
    "name", ["MONAGENT_DIR", "MONAGENT_TEXTFILE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]
)
def test_paths_hold_in_other_working_directories(name: str) -> None:
    """The exporter works elsewhere."""
    found = settings.load({name: "here/x"})

    assert settings.absolute(found) == {name: os.path.abspath("here/x")}
    assert settings.absolute(found, name[:5]) == settings.absolute(found)
    assert settings.absolute(found, "X") == {}


TOLD = "/dev/shm/monagent-7/12-34"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (None, None),
        ("", None),
        ("/boot:/dev/shm/monagent-7:/dev/shm/12-34:/dev/shm/monagent-7/12", None),
        ("/monagent-7/12-:/monagent-7/-34:/monagent-7/12-34-56:/monagent-7/a-34", None),
        (TOLD, TOLD),
        (f"/boot:{TOLD}:/mine:", TOLD),
        (f":/mine:/boot:{TOLD}", TOLD),
    ],
)
def test_a_tree_s_directory_is_told_among_the_folders_of_pythonpath(
    path: str | None, told: str | None
) -> None:
    """By the name that only such a directory has."""
    environ = {} if path is None else {"PYTHONPATH": path}

    assert where.told(environ) == told
    assert settings.load(environ).told == told
    assert settings.load(environ | {"MONAGENT_EXPORTER": "off"}).kept == (told is not None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "BOOT:TOLD"),
        ("", "BOOT:TOLD"),
        ("/mine", "BOOT:TOLD:/mine"),
        (":/mine:", "BOOT:TOLD::/mine:"),
        ("/mine:BOOT:/other", "/mine:BOOT:TOLD:/other"),
        ("BOOT:/tmp/monagent-0/5-6:/mine", "BOOT:TOLD:/mine"),
    ],
)
def test_what_pythonpath_had_stays(before: str | None, after: str) -> None:
    """Of an outer tree's directory the inner one's takes the place."""
    names = {"BOOT": where.bootstrap(), "TOLD": TOLD}
    environ = {} if before is None else {"PYTHONPATH": before.replace("BOOT", names["BOOT"])}

    launcher.adopt(environ, TOLD)

    for name, path in names.items():
        after = after.replace(name, path)
    assert environ["PYTHONPATH"] == after


def test_what_leaves_its_ancestors_finds_its_tree(tmp_path: Path) -> None:
    """It has been told where that is; no process above it leads there any more."""
    where_to = "monagent.metrics.recording().shard.directory"
    show = f"import sqlite3, monagent.metrics; print({where_to})"
    shown = tmp_path / "shown"
    script = (
        f"echo $$; ( (sleep 0.2; exec '{sys.executable}' -c '{show}' > '{shown}') & )\n"
        f"while [ ! -s '{shown}' ]; do sleep 0.05; done"
    )
    found = run(RUN, ["sh", "-c", script])

    name = os.path.basename(shown.read_text().strip())
    assert name.partition("-")[0] == found.stdout.decode().strip()


TITLED = """
import ctypes, os, subprocess, sys
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
begin, end = int(fields[47]), int(fields[48])  # of the environment, as proc(5) has it
ctypes.memset(begin, 0, end - begin)
show = "import sqlite3, monagent.metrics; print(monagent.metrics.recording().shard.directory)"
starts = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
print(os.getpid(), flush=True)
for command in ([show], [starts, show]):
    subprocess.run([sys.executable, "-c", *command], env=dict(os.environ))
"""
"""A program that sets its title as setproctitle does, and starts two Pythons, one by another."""


def test_what_a_process_with_a_title_starts_is_in_its_tree() -> None:
    """gunicorn and Celery write theirs over their environment where setproctitle is installed."""
    found = run(ENV, [sys.executable, "-c", TITLED])

    pid, *directories = found.stdout.decode().split()
    assert [os.path.basename(path).partition("-")[0] for path in directories] == [pid, pid]


@pytest.mark.parametrize("spelled", ["{parent}/x/../{name}", "{parent}//{name}", "{relative}"])
def test_the_folder_may_be_spelled_in_any_way(spelled: str) -> None:
    """All that start with it by variables alone are one tree, as without the detour."""
    parent, name = os.path.split(where.bootstrap())
    show = "import sqlite3, monagent.metrics as m; print(m.recording().shard.directory)"
    both = f"{show}\nimport subprocess, sys; subprocess.run([sys.executable, '-c', {show!r}])"
    path = spelled.format(parent=parent, name=name, relative=os.path.relpath(where.bootstrap()))
    found = subprocess.run(
        [sys.executable, "-uc", both],
        env={**environment(ENV), "PYTHONPATH": path},
        stdout=subprocess.PIPE, timeout=60, check=True,
    )  # fmt: skip

    first, second = found.stdout.decode().split()
    assert first == second != "None"


def test_a_directory_that_somebody_chose_is_told_by_its_variable(tmp_path: Path) -> None:
    """Whatever its name is, and as before."""
    show = "import os; print(os.environ['MONAGENT_DIR'], os.environ['PYTHONPATH'])"
    chosen = tmp_path / "monagent-7" / "12-34"
    found = run(RUN, [sys.executable, "-c", show], environ={"MONAGENT_DIR": str(chosen)})

    assert found.stdout.decode().split() == [str(chosen), where.bootstrap()]
