"""Any Python below `monagent run` works as before: isolated, other versions, far too old ones."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from monagent import where
from tests.launch.oracle import BARE, ENV, RUN, python, run, same
from tests.runtime import programs

SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
TOO_OLD = ("2.7", "3.6", "3.7", "3.8", "3.9")

STATE = (
    "from __future__ import print_function; import sys, os;"
    "print(sys.version_info[:2], sys.path, sorted(os.environ.get('PYTHONPATH', 'x'))[:0],"
    "'sitecustomize' in sys.modules)"
)


@pytest.mark.parametrize("version", [*SUPPORTED, *TOO_OLD])
def test_another_python_starts_as_before(version: str) -> None:
    """Same sys.path, same output; too old ones only step aside."""
    found = python(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")

    same([found, "-c", STATE])


def test_another_implementation_starts_as_before() -> None:
    """PyPy lacks modules that we need, and says nothing of it."""
    found = shutil.which("pypy3")
    if found is None:
        pytest.skip("no PyPy on this machine")

    same([found, "-c", f"{STATE}; import sqlite3; sqlite3.connect(':memory:').close()"])


@pytest.mark.parametrize("version", ["3.13t", "3.14t", "3.15t"])
def test_a_python_without_its_lock_starts_as_before(version: str) -> None:
    """Threads that add to one cell would lose additions; with the lock it is as any other."""
    found = shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    adopted = "import sys; print('monagent.agent' in sys.modules)"

    same([found, "-c", f"{STATE}; import sqlite3; sqlite3.connect(':memory:').close()"])
    for mode in (RUN, ENV):
        for lock in ("0", "1"):
            begun = run(mode, [found, "-W", "error", "-X", f"gil={lock}", "-c", adopted])
            assert (begun.stdout, begun.stderr) == (b"%r\n" % (lock == "1"), b"")


@pytest.mark.parametrize("lock", [True, False])
def test_a_python_is_adopted_only_with_its_lock(lock: bool, tmp_path: Path) -> None:
    """The same on a machine that has no free-threaded build."""
    code = f"""
        import sys
        sys._is_gil_enabled = lambda: {lock}
        sys.path.insert(0, {where.bootstrap()!r})
        try:
            import sitecustomize
        except ImportError:  # there is none behind ours
            pass
        print("monagent.agent" in sys.modules)
        """
    settings = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")}

    found = run(BARE, [sys.executable, "-S", "-c", textwrap.dedent(code)], environ=settings)

    assert (found.stdout, found.stderr) == (b"%r\n" % lock, b"")


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_supported_python_is_adopted(version: str) -> None:
    """The agent is there although the launcher runs on another minor version."""
    found = python(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    code = "import sys; print('monagent.agent' in sys.modules)"

    for mode in (RUN, ENV):
        assert run(mode, [found, "-W", "error", "-c", code]).stdout == b"True\n"
        assert run(mode, [found, "-W", "error", "-X", "dev", "-c", code]).stderr == b""


@pytest.mark.parametrize("flags", ["-I", "-E", "-s", "-B", "-O", "-OO", "-u", "-IS", "-q"])
def test_flags_of_the_interpreter_keep_their_meaning(flags: str) -> None:
    """Those that shut out PYTHONPATH or site shut us out as well, silently."""
    same([sys.executable, flags, "-c", STATE])


def test_without_site_only_the_folders_on_the_path_remain() -> None:
    """`python -S` runs no sitecustomize, which leaves ours where PYTHONPATH put them: one, and the
    state directory under `monagent run`."""
    bare = run("bare", [sys.executable, "-S", "-c", STATE])

    for mode, state in ((RUN, rb"'[^']*/monagent-\d+/\d+-\d+', "), (ENV, b"")):
        found = run(mode, [sys.executable, "-S", "-c", STATE])
        ours = f"{where.bootstrap()!r}, ".encode()
        stdout, times = re.subn(re.escape(ours) + state, b"", found.stdout)
        assert times == 1
        assert replace(found, stdout=stdout) == bare


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LANG": "C.UTF-8"}, {"LC_CTYPE": "C"}])
def test_the_locale_of_the_program_is_untouched(locale: dict[str, str]) -> None:
    """Python sets LC_CTYPE under the C locale; the launcher's own must not leak to the command."""
    clean = ["env", "-u", "LANG", "-u", "LC_ALL", "-u", "LC_CTYPE"]
    given = [f"{name}={value}" for name, value in locale.items()]
    bare = run("bare", [*clean, *given, "sh", "-c", "env | grep -E '^(LC_|LANG)'"])
    words = [sys.executable, "-m", "monagent", "run", "--port", "0"]
    found = run("bare", [*clean, *given, *words, "sh", "-c", "env | grep -E '^(LC_|LANG)'"])

    assert found.stdout == bare.stdout


def test_the_environment_differs_in_documented_entries_only() -> None:
    """PYTHONPATH, and MONAGENT_*; nothing else is added, dropped or changed."""
    code = (
        "import os\n"
        "for name in sorted(os.environ):\n"
        "    if not name.startswith(('MONAGENT_', 'PYTHONPATH')):\n"
        "        print(name, os.environ[name])\n"
    )

    same([sys.executable, "-c", code], environ={"ODD": "a=b\nc", "EMPTY": ""})


def test_pythonpath_of_the_user_stays_behind_ours(tmp_path: Path) -> None:
    """And an empty one adds no working directory."""
    show = [sys.executable, "-c", "import sys; print(sys.path)"]

    same(show, environ={"PYTHONPATH": f"{tmp_path}{os.pathsep}/nowhere"})
    same(show, environ={"PYTHONPATH": ""}, modes=[RUN])


def test_nothing_is_loaded_that_the_program_could_want_to_patch_first() -> None:
    """Of the modules that networking and threading consist of, none that a bare start lacks."""
    code = "import sys; print('\\n'.join(sys.modules))"
    bare = set(run("bare", [sys.executable, "-c", code]).stdout.split())

    for mode in (RUN, ENV):
        more = set(run(mode, [sys.executable, "-c", code]).stdout.split()) - bare
        ours = {name for name in more if name.partition(b".")[0] == b"monagent"}
        assert ours
        assert more - ours <= {
            b"mmap",
            b"fcntl",
            b"_struct",
            b"struct",
            b"binascii",
            b"_bisect",
            b"bisect",
            b"__future__",
            b"zlib",
            b"time",
            b"errno",
            b"gc",
            b"atexit",
            # Parts of the interpreter, which a bare start of 3.14 does without.
            b"_collections",
            b"_functools",
            b"_operator",
            b"itertools",
        }


@pytest.mark.skipif(sys.version_info < (3, 14), reason="interpreters have a module since 3.14")
def test_interpreters_beside_the_first_count_and_leave_nothing_behind(tmp_path: Path) -> None:
    """Each has a shard of its own, which ends with it; the process keeps no descriptor of it."""
    text = """
        import os, sqlite3
        from concurrent import interpreters
        from concurrent.futures import InterpreterPoolExecutor
        from monagent.store.reader import ShardFile, scan
        query = "import sqlite3; sqlite3.connect(':memory:').execute('select 1')"
        def alive():
            shards = [ShardFile.open(path) for path in scan(os.environ["MONAGENT_DIR"])]
            living = sum(shard.alive() for shard in shards)
            for shard in shards: shard.close()
            return living
        def descriptors(): return len(os.listdir("/proc/self/fd"))
        exec(query)
        before = descriptors()
        for _ in range(6):
            beside = interpreters.create()
            beside.exec(query)
            print(alive(), end=" ")
            beside.close()
        with InterpreterPoolExecutor(2) as pool:
            list(pool.map(exec, [query] * 10))
        print(alive(), descriptors() - before)
    """
    found = programs.program(text, tmp_path)

    assert (found.code, found.output, found.errors) == (0, b"2 " * 6 + b"1 0\n", b"")
    assert found.counted.total("db.client.operation.duration") == 17


def test_an_interpreter_beside_the_first_may_use_sqlite(tmp_path: Path) -> None:
    """CPython 3.12 aborts when such a one ends that had a connection of a derived class."""
    interpreter = python("3.12")
    if interpreter is None:
        pytest.skip("no Python 3.12 on this machine")
    text = """
        import _xxsubinterpreters as interpreters
        beside = interpreters.create()
        interpreters.run_string(beside, "import sqlite3; sqlite3.connect(':memory:')")
        interpreters.destroy(beside)
    """
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(text))

    adopted = run(ENV, [interpreter, str(program)])
    assert (adopted.code, adopted.stdout) == (0, b"")
