"""Children of the program: shells, helpers, installers, archives come out as before."""

from __future__ import annotations

import os
import sys
import zipapp
from pathlib import Path

import pytest

from monagent.where import told
from tests.exporter.running import text_samples
from tests.launch.oracle import ENV, RUN, run, same
from tests.ports import free_port
from tests.recorded import counted

ADOPTED = "import sys; print('monagent.agent' in sys.modules)"


def test_a_shell_in_between_hands_monagent_on() -> None:
    """The environment goes through any program that keeps it."""
    for mode in (RUN, ENV):
        found = run(mode, ["sh", "-c", f"'{sys.executable}' -c \"{ADOPTED}\"; exit 3"])
        assert (found.code, found.stdout, found.stderr) == (3, b"True\n", b"")


def test_an_emptied_environment_is_a_program_of_its_own() -> None:
    """Behind `env -i` nothing of monagent is left, and nothing breaks."""
    same(["env", "-i", sys.executable, "-c", ADOPTED])


def test_a_zipapp_runs_as_before(tmp_path: Path) -> None:
    """Imports from an archive take other ways than files."""
    (tmp_path / "app" / "inner").mkdir(parents=True)
    (tmp_path / "app" / "inner" / "__init__.py").write_text("value = __loader__.__class__.__name__")
    (tmp_path / "app" / "__main__.py").write_text("import inner; print(inner.value, __name__)")
    archive = tmp_path / "app.pyz"
    zipapp.create_archive(tmp_path / "app", archive, sys.executable)

    assert same([str(archive)]).stdout == b"zipimporter __main__\n"
    same([sys.executable, str(archive)])


def test_pip_and_venv_work_as_before(tmp_path: Path) -> None:
    """They start Pythons of their own, isolated ones too."""
    same([sys.executable, "-m", "pip", "--version"])
    for mode in ("bare", RUN, ENV):
        home = tmp_path / mode.replace(" ", "-")
        found = run(mode, [sys.executable, "-m", "venv", "--without-pip", str(home)])
        assert (found.code, found.stdout, found.stderr) == (0, b"", b"")
        inside = run(mode, [str(home / "bin" / "python"), "-c", "import sys; print(sys.prefix)"])
        assert inside.stdout == f"{home}\n".encode()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_and_its_workers_are_adopted(method: str, tmp_path: Path) -> None:
    """Workers record whichever way they start; what they print is unchanged."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "def adopted(_):\n    return 'monagent.agent' in sys.modules\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    with context.Pool(2) as pool:\n        print(pool.map(adopted, range(4)))\n"
    )

    for mode in (RUN, ENV):
        found = run(mode, [sys.executable, str(script)])
        assert (found.code, found.stderr) == (0, b"")
        assert found.stdout == b"[True, True, True, True]\n"


@pytest.mark.parametrize("loads", ["tasks", "__main__"])
def test_what_a_forkserver_preloads_is_recorded(loads: str, tmp_path: Path) -> None:
    """Its children find names that are bound already; what it does itself counts once."""
    (tmp_path / "tasks.py").write_text(
        "import os\nfrom sqlite3 import connect\n"
        "ran_in = os.getpid()\n"
        "connect(':memory:').execute('create table t (x)')\n"
        "def work(n):\n"
        "    base = connect(':memory:')\n"
        "    for _ in range(n): base.execute('select 1')\n"
        "    return ran_in == os.getppid()\n"
    )
    (tmp_path / "main.py").write_text(
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    import tasks\n"
        "    context = multiprocessing.get_context('forkserver')\n"
        f"    context.set_forkserver_preload([{loads!r}])\n"
        "    with context.Pool(2) as pool:\n"
        "        print(pool.map(tasks.work, [5] * 4))\n"
        "        pool.close()\n"
        "        pool.join()\n"
    )
    state = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")}

    found = run(ENV, [sys.executable, "main.py"], environ=state, cwd=tmp_path)

    preloaded = loads == "tasks"
    by = counted(tmp_path / "state").by("db.client.operation.duration", "db.operation.name")
    assert found.stdout == f"{[preloaded] * 4}\n".encode()
    assert by.pop("SELECT") == 20
    # Once in the program, and once in the forkserver or in each of up to two that import it anew.
    assert by == {"CREATE": 2} if preloaded else by["CREATE"] in (2, 3)


def test_helpers_of_multiprocessing_are_left_alone(tmp_path: Path) -> None:
    """The resource tracker has no state file; only programs have."""
    code = (
        "import os, time\n"
        "from multiprocessing import resource_tracker, shared_memory\n"
        "block = shared_memory.SharedMemory(create=True, size=10)\n"
        "tracker = resource_tracker._resource_tracker._pid\n"
        "while b'resource_tracker' not in open(f'/proc/{tracker}/cmdline', 'rb').read(): pass\n"
        "block.close(); block.unlink()\n"
        "maps = open(f'/proc/{tracker}/maps').read()\n"
        "resource_tracker._resource_tracker._stop()\n"
        "print('.shard' in maps, '.shard' in open('/proc/self/maps').read())\n"
    )

    assert run(RUN, [sys.executable, "-c", code]).stdout == b"False True\n"


def test_a_module_called_monagent_of_the_program_is_its_own(tmp_path: Path) -> None:
    """monagent then switches itself off, in one line that names the module."""
    (tmp_path / "monagent.py").write_text("value = 42\n")
    (tmp_path / "main.py").write_text("import monagent; print(monagent.value)\n")

    for mode in (RUN, ENV):
        for command in (["-c", "import monagent; print(monagent.value)"], ["main.py"]):
            found = run(mode, [sys.executable, *command], cwd=tmp_path)
            assert (found.code, found.stdout) == (0, b"42\n")
            assert found.stderr.startswith(b"monagent: found another module of this name, ")
            assert found.stderr.count(b"\n") == 1


def test_modules_named_like_ours_in_the_working_directory_are_the_programs(tmp_path: Path) -> None:
    """`guard`, `settings`, `store` are common names, and a program's own wrapt comes first."""
    for name in ("guard", "settings", "store", "metrics", "agent", "tree", "wrapt"):
        (tmp_path / f"{name}.py").write_text(f"print({name!r})\n")
    code = "import guard, settings, store, metrics, agent, tree, wrapt; print(wrapt.__file__)"

    same([sys.executable, "-c", code], cwd=tmp_path)


def test_a_nested_launcher_joins_the_outer_tree() -> None:
    """One endpoint, one start line, one directory, whatever options the inner one has."""
    show = "import os; print(os.environ['PYTHONPATH'])"
    inner = [sys.executable, "-m", "monagent", "run", "--port", "0", sys.executable, "-c", show]
    found = run(RUN, ["sh", "-c", 'echo $PYTHONPATH; "$@"', "sh", *inner])

    outer, nested = found.stdout.split()
    assert outer == nested
    assert found.stderr == b""
    assert told({"PYTHONPATH": os.fsdecode(outer)})


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_opentelemetry_instrument_starts_is_recorded(method: str, tmp_path: Path) -> None:
    """Its sitecustomize stands in front of ours and runs no other; both run, in children too."""
    script = tmp_path / "program.py"
    script.write_text(
        "import multiprocessing, sqlite3, sys\n"
        "def work(_):\n"
        "    sqlite3.connect(':memory:').execute('select 1')\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool:\n"
        "        pool.map(work, range(3))\n"
        "    print('opentelemetry.instrumentation.auto_instrumentation' in sys.modules)\n"
    )
    exporters = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    state = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")}
    start = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"

    found = run(
        ENV,
        [sys.executable, "-c", start, sys.executable, str(script)],
        environ={**exporters, **state},
    )

    assert (found.code, found.stdout) == (0, b"True\n")
    assert counted(tmp_path / "state").total("db.client.operation.duration") == 3


WORK = "import sqlite3\nfor _ in range({}): sqlite3.connect(':memory:').execute('select 1')\n"
INSIDE = {
    "other Pythons": (
        "import subprocess, sys\n"
        f"for _ in range(3): subprocess.run([sys.executable, '-c', {WORK.format(2)!r}], check=True)"
    ),
    "forked ones": (
        "import multiprocessing, sqlite3\n"
        f"def work(): exec({WORK.format(2)!r})\n"
        "for _ in range(3):\n"
        "    child = multiprocessing.get_context('fork').Process(target=work)\n"
        "    child.start()\n"
        "    child.join()\n"
    ),
}


def statements(file: Path) -> float:
    """How many of sqlite3 were delivered there."""
    found = text_samples(file.read_text())
    name = "db_client_operation_duration_seconds_count"
    return sum(value for sample, value in found.items() if sample.startswith(name))


@pytest.mark.parametrize("code", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("mode", [RUN, ENV])
def test_what_children_alone_count_is_delivered_with_the_exporter_inside(
    mode: str, code: str, tmp_path: Path
) -> None:
    """One after the other each serves and ends; their parent, which records nothing, is the last
    one, and leaves nothing."""
    state, file = tmp_path / "state", tmp_path / "last.prom"
    environ = {
        "MONAGENT_DIR": str(state),
        "MONAGENT_TEXTFILE": str(file),
        "MONAGENT_EXPORTER": "thread",
    }
    port = ["--port", str(free_port())]  # Whoever chooses one says so.

    found = run(mode, [sys.executable, "-c", code], environ=environ, options=port)

    assert (found.code, found.stdout, found.stderr) == (0, b"", b"")
    assert statements(file) == 6
    assert list(state.iterdir()) == []


SHELLS = {
    "two Pythons": ('$PYTHON -c "$WORK"; $PYTHON -c "$WORK"; exit 3', 4),
    "one that forks": ('$PYTHON -c "$FORKS"; exit 3', 6),
}


@pytest.mark.parametrize(("script", "total"), SHELLS.values(), ids=SHELLS)
def test_a_shells_children_go_on_with_the_total_and_a_new_tree_begins_its_own(
    script: str, total: int, tmp_path: Path
) -> None:
    """With the exporter inside; what the last of them leaves is nobody's number."""
    file = tmp_path / "last.prom"
    environ = {
        "MONAGENT_DIR": str(tmp_path / "state"),
        "MONAGENT_TEXTFILE": str(file),
        "MONAGENT_EXPORTER": "thread",
        "PYTHON": sys.executable,
        "WORK": WORK.format(2),
        "FORKS": INSIDE["forked ones"],
    }
    port = ["--port", str(free_port())]
    totals = []
    for _ in range(2):
        found = run(RUN, ["sh", "-c", script], environ=environ, options=port)
        assert (found.code, found.stdout, found.stderr) == (3, b"", b"")
        totals.append(statements(file))

    assert totals == [total, total]
