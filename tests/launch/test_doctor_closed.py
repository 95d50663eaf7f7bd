"""monagent doctor before an endpoint that a web-config file closes: TLS, passwords, both ways."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme

from monagent import tree
from tests.launch.oracle import BARE, DEADLINE, Outcome, environment, run

LOOP = """
import sqlite3, time
base = sqlite3.connect(':memory:')
while True:
    base.execute('select 1')
    time.sleep(0.1)
"""
PASSWORD = "basic_auth_users: {bob: '" + bcrypt.hashpw(b"p@ss", bcrypt.gensalt(4)).decode() + "'}\n"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.pem%s}\n"
MUTUAL = ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"

CLOSED = {
    "password": (PASSWORD, "a password"),
    "tls": (TLS % "", ""),
    "both": (TLS % "" + PASSWORD, "a password"),
    "mutual": (TLS % MUTUAL, "a client certificate, as it seems"),
    "mutual-1.2": (TLS % (MUTUAL + ", max_version: TLS12"), "a client certificate, as it seems"),
}


def written(path: Path, text: str) -> Path:
    """A web-config file with this text, and what it may name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1", "metrics.example")
    issued.private_key_and_cert_chain_pem.write_to_path(str(path / "server.pem"))
    (path / "web.yml").write_text(text)
    return path / "web.yml"


def doctor(*words: str, **environ: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what it reports."""
    line = [sys.executable, "-I", "-m", "monagent", "doctor", "--json", *words]
    found: Outcome = run(BARE, line, environ=environ)
    return found.code, json.loads(found.stdout)


@contextmanager
def running(path: Path, text: str) -> Iterator[tuple[str, str]]:
    """A program whose endpoint is closed so: its state directory and URL."""
    state = str(path / "state")
    options = ["--port", "0", "--dir", state, "--web-config", str(written(path, text))]
    line = [sys.executable, "-I", "-m", "monagent", "run", *options, sys.executable, "-c", LOOP]
    program = subprocess.Popen(line, env=environment(BARE), stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + DEADLINE
        while not (url := tree.endpoint(state)):
            assert time.monotonic() < ends
            time.sleep(0.02)
        yield state, url
    finally:
        program.terminate()
        program.wait(DEADLINE)


@pytest.mark.parametrize("kind", CLOSED)
def test_doctor_sees_what_its_own_command_records_behind_a_closed_endpoint(
    tmp_path: Path, kind: str
) -> None:
    """No password is needed to read one's own files, and to find no fault with the endpoint."""
    text, asks = CLOSED[kind]
    config = str(written(tmp_path, text))

    for seconds in ("2", "20"):  # The latter for a machine that is busy with others.
        words = ("--seconds", seconds, "--expect", "sqlite3", "--", sys.executable, "-c", LOOP)
        code, report = doctor(*words, MONAGENT_WEB_CONFIG=config)
        if code == 0:
            break

    [row] = report["libraries"]
    assert (code, report["problems"], report["answers"]) == (0, [], True)
    assert (row["library"], row["recorded"] > 0, report["asks_for"]) == ("sqlite3", True, asks)


def test_doctor_changes_nothing_of_the_directory_that_it_reads(tmp_path: Path) -> None:
    """Twice the same program: its exporter goes on, and what it counts does not jump."""
    with running(tmp_path, PASSWORD) as (state, _):
        amounts: list[float] = [0]
        ends = time.monotonic() + DEADLINE
        while len({*amounts}) < 4:  # The program may stand still between two looks.
            code, report = doctor("--expect", "sqlite3", "--attach", state)
            assert time.monotonic() < ends
            amounts += [report["libraries"][0]["recorded"]] if code == 0 else []
        assert tree.exporter_runs(state)

    assert amounts == sorted(amounts)
    assert amounts[-1] < 10 * DEADLINE


def test_doctor_takes_the_password_of_another_machine_from_the_url(tmp_path: Path) -> None:
    """And shows it nowhere; without it nothing is said to be missing but the password."""
    with running(tmp_path, TLS % "" + PASSWORD) as (_, url):
        trust = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        named = url.replace("://", "://bob:p%40ss@")
        right = doctor("--attach", named, **trust)
        wrong = doctor("--attach", named.replace("p%40ss", "pass"), **trust)
        without = doctor("--attach", url, **trust)
        untrusted = doctor("--attach", url)

    assert (right[0], right[1]["problems"], right[1]["endpoint"]) == (0, [], url)
    assert right[1]["series"] > 10
    example = "as in https://user:password@host; nothing could be seen"
    assert wrong[1]["problems"] == [f"{url}: asks for another password {example}"]
    assert without[1]["problems"] == [f"{url}: asks for a password {example}"]
    assert "certificate verify failed" in untrusted[1]["problems"][-1]
    assert (wrong[0], without[0], untrusted[0]) == (1, 1, 1)
