"""What wrong settings do to a start: one line each, and with MONAGENT_STRICT no start at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.launch.oracle import ENV, RUN, run
from tests.ports import free_port

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'])"


def test_a_wrong_setting_is_said_once_per_tree_and_the_program_runs() -> None:
    """Not again by every child, nor by the program that the launcher became."""
    for mode in (RUN, ENV):
        found = run(mode, [sys.executable, "-c", CHILD], environ={"MONAGENT_SERIES_LIMIT": "many"})

        assert (found.code, found.stdout) == (0, b"1\n")
        assert found.stderr == (
            b"monagent: MONAGENT_SERIES_LIMIT: found 'many', expected a number from 1 to 10000000;"
            b" using 10000\n"
        )


def test_strict_refuses_to_start() -> None:
    """Exit code 2, and nothing of the program has run."""
    for mode in (RUN, ENV):
        found = run(
            mode,
            [sys.executable, "-c", "print('ran')"],
            environ={"MONAGENT_SERIES_LIMIT": "many", "MONAGENT_STRICT": "1"},
        )

        assert (found.code, found.stdout) == (2, b"")
        assert found.stderr.endswith(b"monagent: MONAGENT_STRICT is on: not started\n")
        assert found.stderr.count(b"\n") == 2


@pytest.mark.parametrize(
    "environ",
    [
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        },
        {"MONAGENT_BUCKETS_ORDERS_VALUE": "1"},
    ],
)
def test_what_may_be_meant_for_the_programs_own_metrics_stops_no_strict_start(
    environ: dict[str, str],
) -> None:
    """It is said in one line per tree, by whoever begins that."""
    told = {"MONAGENT_STRICT": "1", "MONAGENT_PORT": "0", "MONAGENT_LOG_LEVEL": "warning"}
    for mode in (RUN, ENV):
        found = run(mode, [sys.executable, "-c", CHILD], environ={**told, **environ})

        assert (found.code, found.stdout, found.stderr.count(b"\n")) == (0, b"1\n", 1)
        assert found.stderr.startswith(f"monagent: {list(environ)[-1]}: found ".encode())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "found {!r}, which cannot be read, expected a web configuration file"),
        ("users: {}\n", "{}: found 'users', expected one of tls_server_config,"),
    ],
)
def test_a_wrong_web_configuration_is_told_before_the_program_begins(
    tmp_path: Path, text: str | None, told: str
) -> None:
    """By its variable, once, without a word of an endpoint that stays closed; strict refuses it.
    Variables alone have only the first look: what reads the file has no place in the program."""
    web = tmp_path / "web.yml"
    if text is not None:
        web.write_text(text)
    for mode in (RUN, ENV) if text is None else (RUN,):
        environ = {"MONAGENT_WEB_CONFIG": str(web), "MONAGENT_PORT": str(free_port())}
        command = [sys.executable, "-c", "print('ran')"]
        lax = run(mode, command, environ=environ)
        strict = run(mode, command, environ={**environ, "MONAGENT_STRICT": "1"})
        supervised = run(mode, command, environ={**environ, "MONAGENT_SUPERVISE": "1"})

        line = f"monagent: MONAGENT_WEB_CONFIG: {told.format(str(web))}"
        assert lax.stderr.decode().startswith(line)
        assert lax.stderr.endswith(b"; the endpoint stays closed until that is right\n")
        assert (lax.code, lax.stdout, lax.stderr.count(b"\n")) == (0, b"ran\n", 1)
        assert supervised == lax
        assert (strict.code, strict.stdout) == (2, b"")
        assert strict.stderr == lax.stderr + b"monagent: MONAGENT_STRICT is on: not started\n"


def test_strict_insists_on_the_directory_that_was_named(tmp_path: Path) -> None:
    """Where the numbers cannot be kept there, also under a supervisor."""
    (tmp_path / "file").write_text("")
    for more in ([], ["--supervise"]):
        options = ["--dir", str(tmp_path / "file"), *more]
        command = [sys.executable, "-c", "print('ran')"]
        lax = run(RUN, command, options=options)
        strict = run(RUN, command, options=[*options, "--strict"])

        assert (lax.code, lax.stdout) == (0, b"ran\n")
        assert lax.stderr.endswith(b"; nothing is recorded\n")
        assert (strict.code, strict.stdout) == (2, b"")
        assert strict.stderr == lax.stderr + b"monagent: MONAGENT_STRICT is on: not started\n"


def test_no_command_is_wrong_usage() -> None:
    """One line that shows how."""
    found = run(RUN, [])

    assert (found.code, found.stdout) == (2, b"")
    assert found.stderr == b"monagent: expected a command, like: monagent run python app.py\n"


def test_strict_insists_on_a_library_that_was_asked_for(tmp_path: Path) -> None:
    """One that cannot be recorded ends the program in a sentence; without the wish it runs on."""
    (tmp_path / "flask.py").write_text("__version__ = '0.1'\n")
    command = [sys.executable, "-c", "import flask; print('ran')"]
    path = {"PYTHONPATH": str(tmp_path)}
    for mode in (RUN, ENV):
        asked = run(mode, command, environ={**path, "MONAGENT_STRICT": "1", "MONAGENT_FLASK": "on"})
        allowed = run(mode, command, environ={**path, "MONAGENT_STRICT": "1"})

        assert (asked.code, asked.stdout) == (2, b"")
        assert asked.stderr.startswith(b"monagent: flask is unsupported: found version 0.1,")
        assert (allowed.code, allowed.stdout, allowed.stderr) == (0, b"ran\n", b"")
