"""A program's tests may put other functions in the place of Python's: shards go on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from monagent.store.reader import ShardFile, scan
from monagent.store.shard import Shard
from monagent.system import os as ours


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


def test_another_pid_of_a_mock_is_no_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mock.patch("os.getpid")` is common."""
    state = tmp_path / "state"
    state.mkdir(0o700)
    shard = Shard(str(state))
    before = shard.path
    monkeypatch.setattr(os, "getpid", lambda: 99)

    shard.check()

    assert shard.path == before
    assert shard.awake() is shard.mem[0]
    assert ours.getpid() == shard.pid
    shard.close()
