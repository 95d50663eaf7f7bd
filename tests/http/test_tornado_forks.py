"""Tornado in several processes: `fork_processes`, as its documentation has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.http.forked import each_request_counts_once

pytest.importorskip("tornado")


def test_forked_servers_count_together(tmp_path: Path) -> None:
    """Of `fork_processes`: one shard for each, all requests in the total."""
    each_request_counts_once(("tornado_forks.py",), tmp_path, 40)
