"""A program's tests may put other functions in the place of Python's: shards go on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from monagent import agent, tree
from monagent.store.reader import ShardFile, scan
from monagent.store.shard import Shard
from tests.launch.oracle import ENV, run
from tests.recorded import counted


class Fake(ModuleType):
    """A file system without any file."""

    def __getattr__(self, name: str) -> Any:
        """Nothing is there."""

        def missing(*_: object, **__: object) -> None:
            raise FileNotFoundError(name)

        return missing


def test_a_shard_grows_and_stays_while_a_file_system_is_faked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pyfakefs does it: wherever a module holds `os`."""
    state = tmp_path / "state"
    state.mkdir(0o700)
    shard = Shard(str(state))
    for name, module in list(sys.modules.items()):
        if name.startswith("monagent.") and vars(module).get("os") is os:
            monkeypatch.setattr(module, "os", Fake("os"))

    shard.check()
    with shard.lock:
        for number in range(3000):
            shard.describe(b'{"info": {"number": "%d"}}' % number)
    shard.check()
    monkeypatch.undo()

    (path,) = scan(str(state))
    assert path == shard.path
    assert shard.reason == ""
    found = ShardFile.open(path)
    found.refresh()
    assert found.info["number"] == "2999"
    found.close()
    shard.close()


def test_an_exporter_is_looked_for_whatever_stands_in_for_functions_of_os(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of blockbuster raise in a running event loop."""
    tree.announce_exporter(str(tmp_path))
    monkeypatch.setattr(agent, "_state", [str(tmp_path)])
    monkeypatch.setattr(os, "access", Fake("os").access)

    agent.ensure_exporter()


MOCKED_PID = """
import logging, os, sqlite3, subprocess, sys
from unittest import mock

def work(number):
    logging.getLogger(f"made{number}").error("here")
    sqlite3.connect(":memory:").execute("select 1")

work(0)
with mock.patch("os.getpid", return_value=99):
    work(1)
    child = os.fork()
    if not child:
        work(2)
        os._exit(0)
    os.waitpid(child, 0)
work(3)
"""


def test_another_pid_of_a_mock_is_no_fork_and_a_fork_under_it_is_one(tmp_path: Path) -> None:
    """`mock.patch("os.getpid")` is common."""
    state = tmp_path / "state"
    environ = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(state)}

    done = run(ENV, [sys.executable, "-W", "ignore", "-c", MOCKED_PID], environ=environ)

    assert (done.code, done.stderr) == (0, b"here\n" * 4)
    assert len(scan(str(state))) == 2
    found = counted(state)
    assert found.total("db.client.operation.duration") == 4
    assert found.total("log.messages") == 4
