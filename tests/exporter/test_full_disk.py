"""The exporter of a state directory in which there is no room."""

from __future__ import annotations

import os
import subprocess
from http.client import HTTPException
from pathlib import Path

import pytest

from monagent.store import directory
from tests.exporter.running import exporter, fetch, until
from tests.ports import free_port


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_on_a_full_disk_it_serves_and_says_where_once_there_is_room(tmp_path: Path) -> None:
    """Nor does a root that cannot be written leave an empty file, which would never be filled."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("root may not mount here, as in most containers")
    try:
        filler = tmp_path / "filler"
        filler.write_bytes(bytes(64 * 1024))
        port = free_port()
        directory.write_root(str(tmp_path), (os.getpid(), 1))
        with exporter(tmp_path, MONAGENT_PORT=str(port)) as running:
            until(lambda: _answers(port), "the endpoint")
            assert {path.name for path in tmp_path.iterdir()} <= {
                *("filler", "exporter.lock", "exporter.log"),
                *("endpoint.new", "ledger.new"),
            }
            filler.unlink()
            assert running.port == port
            assert running.end() == 0
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def _answers(port: int) -> bool:
    try:
        return fetch(port, "/metrics").status == 200
    except (OSError, HTTPException):
        return False
