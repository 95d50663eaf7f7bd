"""uWSGI forks its workers without Python's hooks; their numbers add up all the same."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.command import running
from tests.e2e.load import drive, gets
from tests.ports import free_port

UWSGI = Path(sys.executable).with_name("uwsgi")


@pytest.mark.skipif(not UWSGI.exists(), reason="uWSGI is not installed: pip install uwsgi")
@pytest.mark.parametrize("lazy", [False, True], ids=["preload", "lazy-apps"])
def test_four_workers_of_uwsgi_add_up(lazy: bool, tmp_path: Path) -> None:
    """1,000 requests over a master with four workers are 1,000."""
    port = free_port()
    command = [
        *(str(UWSGI), "--http", f"127.0.0.1:{port}", "--master", "--processes", "4"),
        *("--module", "wsgi_flask:app", "--die-on-term", "--disable-logging", "--need-app"),
        *(("--lazy-apps",) if lazy else ()),
        *("--virtualenv", sys.prefix, "--threads", "2", "--http-workers", "1"),
    ]
    assert shutil.which(command[0])
    with running(command, tmp_path, ready=port) as run:
        seen = drive(port, gets(1000, "/hello/a", "/missing"), keep=False)
        run.settled(1000)
        totals = [run.scrape().requests for _ in range(5)]

    assert seen.answered == 1000
    assert totals == [1000] * 5
