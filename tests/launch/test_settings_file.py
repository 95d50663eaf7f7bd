"""The file that MONAGENT_CONFIG names: variables a line, checked as those of the environment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monagent import tree
from monagent.settings import load
from tests.launch.oracle import ADOPTED, BARE, RUN, environment, run
from tests.launch.test_exporter_start import running, until

UNREADABLE = "/proc/self/mem"
"""A file that opens, and that nobody can read from its beginning: root neither."""

CLOSED = "; the endpoint stays closed, as MONAGENT_WEB_CONFIG may be there"


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without the right of root to read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(54321)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def unread(path: str, why: str) -> str:
    """The sentence about a file that cannot be read."""
    return (
        f"MONAGENT_CONFIG: found {path!r}, which cannot be read ({why}), expected a file of"
        " settings"
    )


def test_lines_set_what_the_environment_does_not(tmp_path: Path) -> None:
    """Comments, blanks and quotes are understood, and a comment only where a line begins; the
    environment comes first."""
    text = "# ours\n\nMONAGENT_PORT=9100\nMONAGENT_SERVICE_NAME = 'the shop'\nMONAGENT_HOST=::1\n"
    text += "MONAGENT_LABELS=shop=a # b\n"
    file = tmp_path / "monagent.conf"
    file.write_text(text)
    found = load({"MONAGENT_CONFIG": str(file), "MONAGENT_PORT": "9200"})

    assert (found.port, found.service_name, found.host) == (9200, "the shop", "::1")
    assert found.labels == {"shop": "a # b"}
    assert found.problems == []


def test_our_name_in_the_file_comes_before_its_twin_in_the_environment(tmp_path: Path) -> None:
    """As where both stand in the environment; so does a receiver for metrics alone."""
    file = tmp_path / "monagent.conf"
    file.write_text(
        "MONAGENT_SERVICE_NAME=shop\nOTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://mine:4318/x\n"
    )
    found = load(
        {
            "MONAGENT_CONFIG": str(file),
            "OTEL_SERVICE_NAME": "other",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://traces:4318",
        }
    )

    assert (found.service_name, found.otlp_endpoint) == ("shop", "http://mine:4318/x")


def test_what_kubernetes_sets_hides_no_line_of_the_file(tmp_path: Path) -> None:
    """Of a service called monagent: its variable is none of ours."""
    file = tmp_path / "monagent.conf"
    file.write_text("MONAGENT_PORT=9100\n")
    found = load({"MONAGENT_CONFIG": str(file), "MONAGENT_PORT": "tcp://10.0.0.7:80"})

    assert (found.port, found.problems) == (9100, [])
    assert found.places == {"MONAGENT_PORT": "monagent.conf:1"}


def test_libraries_and_buckets_can_be_set_in_the_file(tmp_path: Path) -> None:
    """The two families with a free part work there as well."""
    file = tmp_path / "monagent.conf"
    file.write_text("MONAGENT_FASTAPI=off\nMONAGENT_BUCKETS_JOB_WAIT_DURATION=1,2\n")
    found = load({"MONAGENT_CONFIG": str(file)})

    assert found.library("fastapi") == "off"
    assert found.buckets("job.wait.duration") == (1.0, 2.0)


def test_what_is_wrong_in_the_file_is_named_by_its_line(tmp_path: Path) -> None:
    """File and line, what was found, what was expected."""
    file = tmp_path / "monagent.conf"
    file.write_text(
        "MONAGENT_PORT=abc\nport: 9464\nMONAGENT_PROT=1\nMONAGENT_DISABLE=flask,flaskk\n"
    )
    found = load({"MONAGENT_CONFIG": str(file)})
    port = "expected a number from 0 to 65535"
    unknown = "found this variable, expected a known name; did you mean MONAGENT_PORT?"
    names = "expected names that `monagent list` shows; did you mean 'flask'?"

    assert found.problems == [
        "monagent.conf:2: found 'port:…', expected a setting as MONAGENT_PORT=9464",
        f"monagent.conf:1: MONAGENT_PORT: found 'abc', {port}; using 9464",
        f"monagent.conf:3: MONAGENT_PROT: {unknown}; it is ignored",
        f"monagent.conf:4: MONAGENT_DISABLE: found 'flaskk', {names}; it is ignored",
    ]
    assert found.disable == ("flask",)


def test_a_variable_that_only_others_read_is_told(tmp_path: Path) -> None:
    """The file sets monagent alone: neither the program nor what it uses of OpenTelemetry."""
    file = tmp_path / "monagent.conf"
    file.write_text(
        "OTEL_SERVICE_NAME=shop\nOTEL_TRACES_SAMPLER=always_off\nOTEL_EXPORTER_OTLP_TIMEOUT=5\n"
        "OTEL_PROPAGATORS=b3\n"
    )
    found = load({"MONAGENT_CONFIG": str(file), "OTEL_PROPAGATORS": "b3"})

    assert (found.service_name, found.otlp_timeout) == ("shop", 5)
    assert " ".join(found.problems) == (
        "monagent.conf:2: OTEL_TRACES_SAMPLER: found this variable, expected one that monagent"
        " reads; it is ignored"
    )


def test_monagent_config_says_which_line_a_value_comes_from(tmp_path: Path) -> None:
    """`monagent config --config FILE` shows file and line as the origin."""
    file = tmp_path / "monagent.conf"
    file.write_text("\nMONAGENT_SERIES_LIMIT=500\nMONAGENT_FLASK=off\nMONAGENT_BUCKETS_X=1,2\n")
    done = subprocess.run(
        [sys.executable, "-m", "monagent", "config", "--config", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line for line in lines if "monagent.conf:" in line[-1]] == [
        ["MONAGENT_SERIES_LIMIT", "500", "(monagent.conf:2)"],
        ["MONAGENT_FLASK", "off", "(monagent.conf:3)"],
        ["MONAGENT_BUCKETS_X", "1.0,2.0", "(monagent.conf:4)"],
    ]


def test_a_file_that_cannot_be_read_is_told_and_may_have_named_a_password() -> None:
    """Nobody may read it, or look into its folder; a web configuration file named elsewhere is in
    force, and a password in the lost one is not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "monagent.conf")
        with open(path, "w", encoding="ascii") as file:
            os.chmod(path, 0)
            file.write("MONAGENT_PORT=9100\n")
        with as_nobody():
            file_s = load({"MONAGENT_CONFIG": path})
            known = load({"MONAGENT_CONFIG": path, "MONAGENT_WEB_CONFIG": __file__})
        os.chmod(path, 0o644)
        os.chmod(folder, 0)
        with as_nobody():
            folder_s = load({"MONAGENT_CONFIG": path})
        os.chmod(folder, 0o755)
    sentence = unread(path, "Permission denied")

    assert file_s.problems == folder_s.problems == [sentence + CLOSED]
    assert file_s.closed == folder_s.closed == sentence + CLOSED
    assert (known.problems, known.closed) == ([sentence], "")


def test_a_file_that_is_not_there_is_told_once_and_may_have_named_a_password_too() -> None:
    """A volume that was not mounted, or a wrong letter in its name; a folder is no file either."""
    for path, reason in (("/no/such/file", "No such file or directory"), ("/", "Is a directory")):
        found = load({"MONAGENT_CONFIG": path})
        known = load({"MONAGENT_CONFIG": path, "MONAGENT_WEB_CONFIG": __file__})
        sentence = unread(path, reason)

        assert found.problems == [sentence + CLOSED]
        assert found.closed == sentence + CLOSED
        assert (known.problems, known.closed) == ([sentence], "")


def test_a_line_that_is_no_text_costs_none_of_the_others(tmp_path: Path) -> None:
    """It is named by its number; a remark says nothing to us, and a mark of UTF-8 at the begin of
    the file neither."""
    file = tmp_path / "monagent.conf"
    file.write_bytes(
        b"\xef\xbb\xbfMONAGENT_PORT=9100\n# caf\xe9\n\nMONAGENT_SERVICE_NAME=caf\xe9\r\n"
        b"MONAGENT_LABELS=a=\xc3\xa9\n"
    )
    found = load({"MONAGENT_CONFIG": str(file)})

    assert (found.port, found.service_name, found.labels) == (9100, None, {"a": "é"})
    assert found.places["MONAGENT_LABELS"] == "monagent.conf:5"
    assert found.closed == ""
    assert " ".join(found.problems) == (
        "monagent.conf:4: found the byte 0xe9, which is not UTF-8,"
        " expected a setting as MONAGENT_PORT=9464"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"MONAGENT_WEB_CONFIG=/caf\xe9.yml", "the byte 0xe9, which is not UTF-8"),
        (b"export MONAGENT_WEB_CONFIG=/web.yml", "'export MONAGENT_WEB_CONFIG=…'"),
    ],
)
def test_a_lost_line_that_names_a_password_closes_the_endpoint(
    tmp_path: Path, line: bytes, said: str
) -> None:
    """It must never be open without the password that somebody asked for."""
    file = tmp_path / "monagent.conf"
    file.write_bytes(line)
    lost = load({"MONAGENT_CONFIG": str(file)})
    file.write_bytes(line + f"\nMONAGENT_WEB_CONFIG={__file__}\n".encode())
    found = load({"MONAGENT_CONFIG": str(file)})
    sentence = f"monagent.conf:1: found {said}, expected a setting as MONAGENT_PORT=9464"

    assert (lost.problems, lost.closed) == ([sentence + CLOSED], sentence + CLOSED)
    assert (found.problems, found.web_config, found.closed) == ([sentence], __file__, "")


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_file_that_cannot_be_read_closes_the_endpoint_and_is_told_once(
    mode: str, tmp_path: Path
) -> None:
    """The program runs, and is recorded."""
    state = tmp_path / "state"
    log = state / "exporter.log"
    with running(mode, state, MONAGENT_CONFIG=UNREADABLE) as process:
        until(lambda: log.exists() and CLOSED in log.read_text(), "the exporter's word")
        url = tree.endpoint(str(state))
        process.terminate()
        assert process.stderr is not None
        said = process.stderr.read().decode()

    assert url is None
    assert said == f"monagent: {unread(UNREADABLE, 'Input/output error')}{CLOSED}\n"


def test_strict_refuses_to_start_without_the_file(tmp_path: Path) -> None:
    """Or with a line of it lost."""
    file = tmp_path / "monagent.conf"
    file.write_bytes(b"MONAGENT_SERVICE_NAME=caf\xe9")
    for path in (UNREADABLE, str(file)):
        found = run(
            RUN,
            [sys.executable, "-c", "print('ran')"],
            environ={"MONAGENT_STRICT": "on", "MONAGENT_CONFIG": path},
        )

        assert (found.code, found.stdout) == (2, b"")
        assert found.stderr.endswith(b"monagent: MONAGENT_STRICT is on: not started\n")


def test_paths_in_the_file_begin_where_it_lies(tmp_path: Path) -> None:
    """For the program in its directory, the exporter in another, and `monagent config`."""
    place, elsewhere = tmp_path / "conf", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    (place / "web.yml").write_text("basic_auth_users: {}\n")
    (place / "monagent.conf").write_text(
        "MONAGENT_TEXTFILE=numbers.prom\nMONAGENT_WEB_CONFIG='web.yml'\nMONAGENT_DIR=\n"
    )
    given = {"MONAGENT_CONFIG": "../conf/monagent.conf"}
    code = "import sqlite3; sqlite3.connect(':memory:').execute('select 1')"
    ran = run(
        RUN, [sys.executable, "-c", code], options=["--supervise"], environ=given, cwd=elsewhere
    )
    shown = subprocess.run(
        [sys.executable, "-m", "monagent", "config"],
        capture_output=True, text=True, check=True, cwd=elsewhere, env=environment(BARE, given),
    )  # fmt: skip
    lines = [line.split()[:2] for line in shown.stdout.splitlines()]

    assert (ran.code, ran.stdout, ran.stderr) == (0, b"", b"")
    assert "db_client_operation" in (place / "numbers.prom").read_text()
    assert ["MONAGENT_TEXTFILE", str(place / "numbers.prom")] in lines
    assert ["MONAGENT_WEB_CONFIG", str(place / "web.yml")] in lines
    assert ["MONAGENT_DIR", "-"] in lines
