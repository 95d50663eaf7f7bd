"""uWSGI's workers tell of themselves, since its master is no Python program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monagent import where
from monagent.integrations._uwsgi_application import mounts_of
from tests.e2e.command import until
from tests.ports import free_port
from tests.workers.serving import Server, serving

UWSGI = Path(sys.executable).with_name("uwsgi")
SERVES = (
    *("--http-socket", "127.0.0.1:{port}", "--need-app"),
    *("--virtualenv", sys.prefix, "--die-on-term", "--disable-logging"),
)
COMMAND = (*SERVES, "--module", "with_flask:app")

pytestmark = pytest.mark.skipif(
    not UWSGI.exists(), reason="uWSGI is not installed: pip install uwsgi"
)


BARE = {
    "module": ("--module", "plain:wsgi"),
    "callable": ("--wsgi", "plain", "--callable", "wsgi"),
    "mount": ("--mount", "/x=plain:wsgi", "--manage-script-name"),
    "lazy": ("--module", "plain:wsgi", "--lazy-apps"),
    "many": ("--module", "mounted", "--manage-script-name"),
    "file": ("--wsgi-file", "plain.py", "--callable", "wsgi"),
    "lazy file": ("--wsgi-file", "plain.py", "--callable", "wsgi", "--lazy-apps"),
    "mounted file": ("--mount", "/x=filed.py", "--manage-script-name"),
}
MOUNTS = {
    "words": ("--mount", "/x=plain:wsgi", "--mount=/y=filed.py", "--mount", "/z=plain:wsgi"),
    "ini": ("--ini", "mounts.ini"),
    "xml": ("--xml", "mounts.xml"),
    "yaml": ("--yaml", "mounts.yaml"),
    "environment": ("--mount", "/x=plain:wsgi", "--mount=/y=filed.py"),
}


@pytest.mark.parametrize("how", BARE)
def test_a_bare_application_of_a_module_is_recorded(how: str, tmp_path: Path) -> None:
    """uWSGI calls it from C, where nobody can stand between."""
    prefix = "/x" if how.startswith("mount") else "/m" if how == "many" else ""
    with serving("uwsgi", tmp_path, *SERVES, "--master", "--processes", "2", *BARE[how]) as server:
        server.becomes(2, 2)
        for _ in range(5):
            server.ask(f"{prefix}/pid")
        until(lambda: len(told(server)) > 0 and sum(told(server).values()) == 5, "5 requests")

        assert told(server) == {"200": 5}
        assert server.counted().total("http.server.active_requests") == 0


@pytest.mark.parametrize("said", MOUNTS)
def test_each_mount_is_recorded_in_its_own_interpreter(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uWSGI tells no interpreter of all the mounts that there are."""
    if said == "environment":
        monkeypatch.setenv("UWSGI_MOUNT", "/z=plain:wsgi")
    command = (*SERVES, "--master", "--processes", "2", "--manage-script-name", *MOUNTS[said])
    with serving("uwsgi", tmp_path, *command) as server:
        server.becomes(2, 2)
        for count, prefix in enumerate(("/x", "/y", "/z"), 1):
            server.ask(f"{prefix}/pid")
            until(lambda: told(server) == {"200": count}, f"{count} requests")  # noqa: B023


@pytest.mark.parametrize(
    "text",
    [
        "[uwsgi]\nmount=/x=a:b\nmount = /y=c.d:e\nmountpoint = 3\n",
        "uwsgi:\n  mount: /x=a:b\n  'mount' : '/y=c.d:e'\n",
        "<uwsgi><mount>/x=a:b</mount>\n  <mount> /y=c.d:e </mount><fs-mount/></uwsgi>",
        '{"uwsgi": {"mount": ["/x=a:b", "/y=c.d:e"], "mounts": 1}}',
        '{"uwsgi": {"mount": "/x=a:b", "mount": "/y=c.d:e"}}',
    ],
    ids=["ini", "yaml", "xml", "json with a list", "json"],
)
def test_a_file_of_settings_names_mounts_in_any_form(text: str) -> None:
    """JSON cannot be tried here with every uWSGI: it needs a library when that is compiled."""
    assert mounts_of(text) == ["/x=a:b", "/y=c.d:e"]


def test_a_file_that_fails_is_told_as_without_monagent(tmp_path: Path) -> None:
    """C executes it, with a name of ours in `sys.modules` meanwhile."""
    (tmp_path / "broken.py").write_text("import sys\nsys.modules[__name__]\nraise LookupError\n")
    command = [str(UWSGI), *(each.format(port=free_port()) for each in SERVES)]
    ours = {"PYTHONPATH": where.bootstrap(), "MONAGENT_DIR": f"{tmp_path}/state"}
    found = []
    for environ in ({}, ours | {"MONAGENT_EXPORTER": "off"}):
        done = subprocess.run(
            [*command, "--wsgi-file", "broken.py"], cwd=tmp_path, env={**os.environ, **environ},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        _, begin, told = done.stderr.partition("Traceback")
        lines = told.splitlines()
        found.append((done.returncode, begin, lines[: lines.index("LookupError") + 2]))

    assert found[0] == found[1]
    assert found[0][1]


def told(server: Server) -> dict[str, float]:
    """Requests by status, counted by what is recorded of them last."""
    metric = "http.server.response.body.size"
    return server.counted().by(metric, "http.response.status_code")


@pytest.mark.parametrize("body", ["bytes", "list", "generator", "file"])
def test_bare_answers_of_uwsgi_are_as_without_monagent(body: str, tmp_path: Path) -> None:
    """It takes bytes as a whole, which other servers refuse."""
    with serving("uwsgi", tmp_path, *SERVES, "--module", "bodies") as server:
        assert server.ask(f"/{body}") == 12345
        until(lambda: bool(told(server)), "a request")

        counted = server.counted()
        assert told(server) == {"200": 1}
        assert counted.total("http.server.response.body.size.sum") == 5
        assert counted.total("http.server.active_requests") == 0


def test_hooks_of_uwsgidecorators_and_ours_run_both(tmp_path: Path) -> None:
    """Whichever was there first: it puts its own hook where ours was."""
    with serving("uwsgi", tmp_path, *SERVES, "--master", "--module", "decorated") as server:
        server.becomes(1, 1)
        assert server.ask("/pid") == server.ask("/forked")


@pytest.mark.parametrize("more", [(), ("--lazy-apps",), ("--enable-threads", "--threads", "2")])
def test_workers_are_counted_through_a_kill(more: tuple[str, ...], tmp_path: Path) -> None:
    """Nobody says why one ended, only that it has a successor."""
    command = (*COMMAND, "--master", "--processes", "2", *more)
    with serving("uwsgi", tmp_path, *command) as server:
        server.becomes(2, 2)
        victim = server.ask()
        os.kill(victim, signal.SIGKILL)
        server.becomes(2, 3, unknown=1)
        assert server.ask() != victim


def test_a_reload_has_workers_of_its_own(tmp_path: Path) -> None:
    """uWSGI executes itself anew, and those before it have no successors."""
    with serving("uwsgi", tmp_path, *COMMAND, "--master", "--processes", "2") as server:
        server.becomes(2, 2)
        server.ask()
        server.signal(signal.SIGHUP)
        server.becomes(2, 4)


def test_a_worker_without_a_master_is_one(tmp_path: Path) -> None:
    """The only process there is."""
    with serving("uwsgi", tmp_path, *COMMAND) as server:
        server.becomes(1, 1)
        assert server.ask() == server.process.pid


def test_what_waits_in_its_socket_is_told(tmp_path: Path) -> None:
    """While its only worker is busy."""
    with serving("uwsgi", tmp_path, *COMMAND, "--enable-threads") as server:
        server.ask()
        first = server.busy()
        waiting = [server.begin("/pid") for _ in range(3)]
        until(lambda: server.total("backlog") == 3, "a backlog of 3")
        server.gate.touch()
        until(lambda: server.total("backlog") == 0, "an empty backlog")
        for connection in (first, *waiting):
            connection.close()
