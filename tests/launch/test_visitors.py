"""Processes of root's tree that run as another user: an entrypoint's service, a server's Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monagent import settings, tree, where
from monagent.exporter.users import Users
from monagent.store import directory, process, visitors
from monagent.store.reader import scan
from monagent.store.shard import Shard
from tests.exporter.running import exporter, until
from tests.launch.oracle import ADOPTED, DEADLINE, ENV, RUN, START_LINE, environment

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")

USER = 54321

ENTRYPOINT = """\
import os, sqlite3, sys
base = sqlite3.connect(":memory:")
base.execute("select 1")
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
os.execv(sys.argv[1], [sys.argv[1], *sys.argv[2:]])
"""

SERVICE = """\
import os, sqlite3, time
base = sqlite3.connect(":memory:")
base.execute("select 1")
pid = os.fork()
if pid == 0:
    base.execute("select 1")
    os._exit(0)
os.waitpid(pid, 0)
base.execute("select 1")
time.sleep(2)  # An entrypoint that ends at once is nobody's service.
base.close()
print(os.getuid())
"""

LAUNCH = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
from monagent.cli import main
sys.exit(main(sys.argv[1:]))
"""


def become(user: int = USER) -> None:
    """This process is that user's from here on."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def in_child(work: Callable[[], object]) -> int:
    """What the process is called that does this work and then waits to be killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            os.write(write, b"x")
            time.sleep(DEADLINE)
        finally:
            os._exit(1)
    os.close(write)
    done = os.read(read, 1)
    os.close(read)
    if not done:
        end(child)
        raise AssertionError("the child has failed")
    return child


def end(child: int) -> None:
    os.kill(child, 9)
    os.waitpid(child, 0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="visitors-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def interpreter() -> str:
    """A Python that every user may run."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        new = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]
        if (
            os.path.exists(python)
            and not subprocess.run(
                ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *new],
                preexec_fn=become,
                check=False,
                cwd="/",
            ).returncode
        ):
            return python
    pytest.skip("no interpreter that every user may run")


@pytest.mark.parametrize("chosen", [False, True])
@pytest.mark.parametrize("mode", ADOPTED)
def test_what_an_entrypoint_of_root_s_starts_as_another_user_is_served(
    mode: str, chosen: bool, open_to_all: Path, interpreter: str
) -> None:
    """As gosu, su-exec and setpriv do it: one tree, one endpoint, and no rest at the end."""
    (open_to_all / "src").mkdir()
    (open_to_all / "src").chmod(0o755)
    shutil.copytree(where.PACKAGE, open_to_all / "src" / "monagent")
    shutil.copytree(where.bootstrap(), open_to_all / "bootstrap")
    state, last = open_to_all / "state", open_to_all / "last.prom"
    words = [sys.executable, "-c", ENTRYPOINT, interpreter, "-c", SERVICE]
    environ = environment(RUN, {"MONAGENT_TEXTFILE": str(last), "MONAGENT_PORT": "0"})
    if chosen:
        environ["MONAGENT_DIR"] = str(state)
    if mode == ENV:
        environ["PYTHONPATH"] = str(open_to_all / "bootstrap")
    else:
        words = [sys.executable, "-I", "-c", LAUNCH, str(open_to_all / "src"), "run", "--", *words]

    done = subprocess.run(
        words, env=environ, capture_output=True, timeout=DEADLINE, check=False, cwd="/"
    )
    ends = time.monotonic() + DEADLINE
    while not last.exists() and time.monotonic() < ends:
        time.sleep(0.05)
    counted = [
        float(line.rpartition(" ")[2])
        for line in last.read_text().splitlines()
        if line.startswith("db_client_operation_duration_seconds_count")
    ]
    while Path(f"{state}.visitors").exists() and time.monotonic() < ends:
        time.sleep(0.05)

    assert (done.returncode, done.stdout) == (0, f"{USER}\n".encode())
    assert START_LINE.fullmatch(done.stderr)
    assert counted == [4.0]
    assert not Path(f"{state}.visitors").exists()


def test_visitors_may_leave_files_and_look_at_none(open_to_all: Path) -> None:
    """Neither list the place nor take away what is another's."""
    state = str(open_to_all / "state")
    found = settings.load({"MONAGENT_DIR": state})
    tree.find(found, {}, where.bootstrap())
    place = state + where.VISITORS
    (open_to_all / "state.visitors" / "1-1.shard").touch(mode=0o600)
    made = open_to_all / "made"
    made.touch()
    made.chmod(0o666)

    def visit() -> None:
        become()
        assert tree.find(found, {}, where.bootstrap()) == (place, False)
        assert tree.exporter_runs(place)
        os.umask(0o077)
        made.write_text(Shard(place).path or "none")
        for refused in (
            lambda: os.listdir(place),
            lambda: os.unlink(f"{place}/1-1.shard"),
            lambda: Path(place, "1-1.shard").read_bytes(),
        ):
            with pytest.raises(PermissionError):
                refused()

    end(in_child(visit))

    assert set(scan(state)) == {f"{place}/1-1.shard", made.read_text()}
    assert os.stat(place).st_mode & 0o7777 == 0o1733
    assert os.stat(made.read_text()).st_mode & 0o777 == 0o644  # Root may not read all there is.
    assert where.feed(place) == where.feed(state)


def test_who_is_not_of_the_tree_is_no_visitor(open_to_all: Path) -> None:
    """A place of some other tree's, or one that the user has made for itself."""
    state = str(open_to_all / "state")
    directory.prepare(state)
    other = in_child(lambda: None)
    visitors.receive(state, (other, process.start_ticks(other) or 0))
    own = str(open_to_all / "own")
    os.mkdir(own + where.VISITORS)
    os.chown(own + where.VISITORS, USER, USER)
    hidden: list[bool] = []

    def visit() -> None:
        become()
        hidden.append(process.start_ticks(1) is None)  # hidepid: who is above cannot be told.
        assert hidden[0] or visitors.find(state, {}, os.getpid()) is None
        assert visitors.find(own, {}, os.getpid()) is None

    end(in_child(visit))
    end(other)


def test_only_files_of_the_tree_s_users_count(open_to_all: Path) -> None:
    """Anybody on the machine may leave some."""
    state = str(open_to_all / "state")
    directory.prepare(state)
    root = in_child(lambda: None)
    identity = root, process.start_ticks(root) or 0
    directory.write_root(state, identity)
    visitors.receive(state, identity)
    place = state + where.VISITORS

    def visit() -> None:
        become()
        Path(place, f"{os.getpid()}-1.shard").touch(mode=0o600)

    stranger = in_child(visit)
    left = f"{place}/{stranger}-1.shard"
    met = Users(state)
    met.meet([stranger])
    try:
        before = Users(state).welcome(left)
        os.unlink(f"{state}/{directory.ROOT}")
        directory.write_root(state, (os.getpid(), process.start_ticks(os.getpid()) or 0))
        users = Users(state)
        alive = users.welcome(left)
    finally:
        end(stranger)
        end(root)

    assert (before, alive, met.welcome(left)) == (False, True, True)
    assert users.welcome(left)  # One that is known may have ended.
    assert not Users(state).welcome(left)
    assert Users(state).welcome(f"{state}/{stranger}-1.shard")


@pytest.fixture
def expecting() -> Iterator[Callable[[str], Users]]:
    """Makes who expects visitors at a state directory."""
    before = signal.getsignal(signal.SIGIO)

    def make(state: str) -> Users:
        users = Users(state)
        users.expect()
        return users

    yield make
    signal.signal(signal.SIGIO, before)


def test_who_leaves_a_file_is_met_at_that_moment(
    expecting: Callable[[str], Users], open_to_all: Path
) -> None:
    """A program of a moment has ended before anybody looks around; so in a place made anew."""
    state = str(open_to_all / "state")
    root = os.getpid(), process.start_ticks(os.getpid()) or 0
    directory.prepare(state)
    directory.write_root(state, root)
    visitors.receive(state, root)
    users = expecting(state)
    place = state + where.VISITORS

    def leave(user: int) -> str:
        """The file of a process of this user, which has ended."""

        def visit() -> None:
            become(user)
            Path(place, f"{os.getpid()}-1.shard").touch()

        child = in_child(visit)
        until(lambda: user in users.state(), "the visitor")
        end(child)
        return f"{place}/{child}-1.shard"

    first = users.welcome(leave(USER))
    shutil.rmtree(place)
    visitors.receive(state, root)
    users.watch()

    assert (first, users.welcome(leave(USER + 1))) == (True, True)
    assert not users.strangers


def test_the_file_of_a_stranger_counts_as_passed_over_and_its_user_is_told(
    open_to_all: Path,
) -> None:
    """Of a process that has ended before it was seen nobody knows where it belonged."""
    state = open_to_all / "state"
    root = os.getpid(), process.start_ticks(os.getpid()) or 0
    directory.prepare(str(state))
    directory.write_root(str(state), root)
    visitors.receive(str(state), root)
    for name in (f"{2**22 + 1}-1.shard", "²-1.shard"):
        left = Path(f"{state}{where.VISITORS}", name)
        left.touch()
        os.chown(left, USER, USER)

    with exporter(state) as running:
        until(lambda: running.samples()["monagent_shards_unreadable_total"] == 2, "the count")
        told = until((state / directory.LOG).read_text, "the log")

    assert told.count(f"a file of uid {USER} is not read") == 1


def test_a_place_that_was_wiped_is_made_again(open_to_all: Path) -> None:
    """By the exporter; a visitor then makes its file anew."""
    state = str(open_to_all / "state")
    root = os.getpid(), process.start_ticks(os.getpid()) or 0
    directory.prepare(state)
    visitors.receive(state, root)
    place = state + where.VISITORS
    go, gone = os.pipe(), os.pipe()

    def visit() -> None:
        become()
        shard = Shard(place)
        os.write(gone[1], b"x")
        os.read(go[0], 1)
        shard.check()
        assert shard.stored, shard.reason

    child = os.fork()
    if child == 0:
        try:
            visit()
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.read(gone[0], 1)
    before = scan(state)
    shutil.rmtree(place)
    visitors.receive(state, root)
    os.write(go[1], b"x")
    _, status = os.waitpid(child, 0)
    after = scan(state)
    for fd in (*go, *gone):
        os.close(fd)

    assert os.waitstatus_to_exitcode(status) == 0
    assert (len(before), len(after)) == (1, 1)
    assert before != after
