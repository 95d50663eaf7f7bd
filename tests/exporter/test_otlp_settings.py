"""Where an OTLP push goes and what it carries, by the settings, whoever names them."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
import trustme

from tests.exporter.receiving import Receiver, said_of_one_delivery
from tests.exporter.running import DEADLINE, exporter, sleeper, write_root
from tests.exporter.test_delivery import counted
from tests.exporter.test_guest import port_of, start, tell
from tests.launch.oracle import RUN, run


@pytest.mark.parametrize("header", ["%0A", "%E2%80%A6", "%20"])
def test_secrets_are_sent_and_never_shown(tmp_path: Path, header: str) -> None:
    """The password of the URL, and a header: of two lines, of letters HTTP lacks, and right."""
    receiver = Receiver(refusals=100, status=400)
    said = said_of_one_delivery(
        tmp_path,
        receiver,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url.replace("//", "//me:SECRET@"),
        OTEL_EXPORTER_OTLP_HEADERS=f"x-token=SECRET{header}SECRET",
    )
    log = (tmp_path / "exporter.log").read_text()

    assert f"not delivered to {receiver.url}/v1/metrics: ".encode() in said
    assert b"SECRET" not in said
    assert "SECRET" not in log
    assert receiver.refused == (header == "%20")


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize(
    ("name", "path", "asked"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/all", "/all/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/mine/", "/mine/"),
    ],
)
def test_the_settings_file_says_where_to_push_and_how(
    tmp_path: Path, receiver: Receiver, name: str, path: str, asked: str, thread: bool
) -> None:
    """As the environment does, in a process of its own and inside the program."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "monagent.conf"
    file.write_text(
        f"{name}={receiver.url}{path}\nOTEL_EXPORTER_OTLP_HEADERS=x-token=a%20b\n"
        "OTEL_EXPORTER_OTLP_COMPRESSION=gzip\n"
    )
    if thread:
        program = start(state, MONAGENT_CONFIG=str(file))
        port_of(state)
        tell(program, "exit")
        assert program.communicate(timeout=DEADLINE)[1] == ""
    else:
        with sleeper() as root:
            write_root(state, root.pid)
            counted(state, root.pid)
        with exporter(state, MONAGENT_CONFIG=str(file)) as running:
            assert running.process.wait(DEADLINE) == 0

    assert receiver.paths == [asked]
    assert (receiver.headers[0]["x-token"], receiver.headers[0]["Content-Encoding"]) == (
        "a b",
        "gzip",
    )


@pytest.mark.parametrize("in_file", [False, True])
def test_certificates_are_found_whoever_names_them(tmp_path: Path, in_file: bool) -> None:
    """Relative to the settings file, or to the working directory, which is not the exporter's; the
    command finds its variables as they were."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = authority.issue_cert("monagent@example.org")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    receiver = Receiver(tls=tls)
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": "cert.pem",
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": "key.pem",
    }
    file = tmp_path / "monagent.conf"
    file.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    code = "import os, sqlite3; sqlite3.connect(':memory:').execute('select 1')\n"
    code += "print(os.environ.get('OTEL_EXPORTER_OTLP_CERTIFICATE'))"
    try:
        ran = run(
            RUN,
            [sys.executable, "-c", code],
            options=["--supervise"],
            environ={
                "REQUESTS_CA_BUNDLE": str(tmp_path / "cert.pem"),
                **({"MONAGENT_CONFIG": str(file)} if in_file else given),
            },
            cwd=Path("/") if in_file else tmp_path,
        )
    finally:
        receiver.close()

    assert (ran.code, ran.stderr) == (0, b"")
    assert ran.stdout == (b"None\n" if in_file else b"ca.pem\n")
    assert receiver.paths == ["/v1/metrics"]


def test_headers_for_all_signals_go_nowhere_that_metrics_have_their_own(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Those of the environment may be a password for another receiver."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "monagent.conf"
    file.write_text("OTEL_EXPORTER_OTLP_METRICS_HEADERS=X-Mine=1\n")
    said_of_one_delivery(
        state, receiver, OTEL_EXPORTER_OTLP_HEADERS="x-all=2,x-mine=3", MONAGENT_CONFIG=str(file)
    )

    names = {name.lower(): value for name, value in receiver.headers[0].items()}
    assert (names.get("x-mine"), names.get("x-all")) == ("1", None)
