"""Passwords and certificates from a Prometheus web-config file, and errors that name the place."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import bcrypt
import pytest

from monagent.exporter.http import HEADER_TIME
from monagent.exporter.webconfig import WebConfig, Wrong
from tests.exporter.running import DEADLINE, exporter, until, write_root
from tests.services._started import program

PAIR = "tls_server_config: {cert_file: web.yml, key_file: web.yml}"
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def written(path: Path, text: str) -> str:
    """A web-config file with this text."""
    file = path / "web.yml"
    file.write_text(text)
    return str(file)


def basic(user: str, password: str) -> str:
    """The header's value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("basic_auth_user: {}", "found 'basic_auth_user', expected one of tls_server_config"),
        ("[]", "found a list, expected a mapping"),
        ("a: [", "found no YAML"),
        ("basic_auth_users: {bob: secret}", "basic_auth_users.bob: found a str, expected a bcrypt"),
        ("basic_auth_users: {bob: 12}", "basic_auth_users.bob: found a int, expected a bcrypt"),
        ("tls_server_config: {cert_file: a}", "tls_server_config.key_file: found nothing"),
        (
            "tls_server_config: {key: a}",
            "tls_server_config: found 'key', expected one of cert_file",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b}",
            "tls_server_config.cert_file: cannot read",
        ),
        (
            PAIR.replace("}", ", min_version: TLS9}"),
            "tls_server_config.min_version: found 'TLS9', expected one of TLS10",
        ),
        (
            PAIR.replace("}", ", client_auth_type: RequireAnyClientCert}"),
            "client_auth_type: found 'RequireAnyClientCert', expected one of NoClientCert",
        ),
        (
            PAIR.replace("}", ", client_auth_type: RequireAndVerifyClientCert}"),
            "client_ca_file: found nothing, expected a file",
        ),
        (
            PAIR.replace("}", ", client_ca_file: web.yml}"),
            "client_auth_type: found nothing, expected RequireAndVerifyClientCert",
        ),
        (PAIR, "web.yml: "),
    ],
)
def test_a_wrong_file_is_explained_by_file_key_found_and_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    """One sentence, whatever is wrong."""
    path = written(tmp_path, text)

    with pytest.raises(Wrong) as wrong:
        WebConfig.load(path)

    assert str(wrong.value).startswith(f"{path}: ")
    assert message in str(wrong.value)


def test_only_the_right_password_of_a_known_user_is_admitted(tmp_path: Path) -> None:
    """Whatever else is in the header."""
    web = WebConfig.load(written(tmp_path, f"basic_auth_users: {{bob: {HASH}}}"))

    def admitted(header: str) -> bool:
        return asyncio.run(web.admits(header))

    assert admitted(basic("bob", "secret"))
    wrong = ["", "Basic", "Basic ???", "Bearer x", basic("bob", ""), basic("bob", "Secret")]
    wrong += [basic("eve", "secret"), basic("", ""), basic("bob", "x" * 1000), basic("bob", "\0")]
    for header in wrong:
        assert not admitted(header), header


def test_a_password_is_computed_once_and_then_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bcrypt is slow on purpose; a scraper comes every few seconds."""
    web = WebConfig.load(written(tmp_path, f"basic_auth_users: {{bob: {HASH}}}"))
    checked = []
    real = bcrypt.checkpw

    def check(password: bytes, digest: bytes) -> bool:
        checked.append(password)
        return real(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", check)

    for _ in range(3):
        assert asyncio.run(web.admits(basic("bob", "secret")))
        assert not asyncio.run(web.admits(basic("bob", "wrong")))

    assert len(checked) == 2


def test_a_password_closes_the_metrics_and_not_the_health_check(tmp_path: Path) -> None:
    """401 asks for it; extra headers are sent."""
    write_root(tmp_path, os.getpid())
    config = written(
        tmp_path,
        f"basic_auth_users: {{bob: {HASH}}}\n"
        "http_server_config: {headers: {X-Content-Type-Options: nosniff}}\n",
    )
    with exporter(tmp_path, MONAGENT_WEB_CONFIG=config) as running:
        assert running.url.startswith("http://")  # A password alone is no TLS.
        refused = running.get()
        admitted = running.get(authorization=basic("bob", "secret"))

        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Basic")
        assert b"monagent" not in refused.body
        assert admitted.status == 200
        assert admitted.headers["x-content-type-options"] == "nosniff"
        assert running.get("/healthz").status == 200
        assert running.get("/").status == 401


def test_a_wrong_file_closes_the_endpoint_until_it_is_right(tmp_path: Path) -> None:
    """It must never be open without the password somebody asked for."""
    root = subprocess.Popen(["sleep", "1000"], stderr=subprocess.PIPE)
    assert root.stderr is not None
    try:
        write_root(tmp_path, root.pid)
        missing = tmp_path / "web.yml"
        with exporter(tmp_path, MONAGENT_WEB_CONFIG=str(missing)) as running:
            line = root.stderr.readline()
            assert not (tmp_path / "endpoint").exists()
            written(tmp_path, f"basic_auth_users: {{bob: {HASH}}}")
            assert running.get().status == 401
    finally:
        root.kill()
        root.stderr.close()
        root.wait()

    assert line.decode() == (
        f"monagent: MONAGENT_WEB_CONFIG: found {str(missing)!r}, which cannot be read (No such file"
        " or directory), expected a web configuration file; the endpoint stays closed until that is"
        " right\n"
    )


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A CA, a certificate of 127.0.0.1 and one of a client, both signed by it."""
    program("openssl", "openssl")
    where = tmp_path / "pki"
    where.mkdir()
    _openssl(where, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
             " -subj /CN=ca -addext keyUsage=critical,keyCertSign"
             " -keyout ca.key -out ca.crt")  # fmt: skip
    for name in ("server", "client"):
        sign(where, name)
    return where


def sign(where: Path, name: str) -> None:
    """A new certificate and key."""
    _openssl(where, "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
             f" -subj /CN={name} -keyout {name}.key -out {name}.csr")  # fmt: skip
    (where / "san").write_text("subjectAltName=IP:127.0.0.1")
    _openssl(where, f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2"
             f" -extfile san -out {name}.crt")  # fmt: skip


def _openssl(where: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=where, check=True, capture_output=True)


def scrape(url: str, where: Path, certificate: str = "") -> int:
    """The status of a scrape over TLS, with a client's certificate if one is named."""
    context = ssl.create_default_context(cafile=str(where / "ca.crt"))
    if certificate:
        context.load_cert_chain(where / f"{certificate}.crt", where / f"{certificate}.key")
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=DEADLINE) as answer:
        answer.read()
        return int(answer.status)


def test_mutual_tls_admits_only_clients_of_the_authority(
    tmp_path: Path, certificates: Path
) -> None:
    """Files are found beside the web-config file; a renewed certificate is used at once."""
    config = written(
        tmp_path,
        "tls_server_config:\n  cert_file: pki/server.crt\n  key_file: pki/server.key\n"
        "  client_ca_file: pki/ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n"
        "  min_version: TLS13\n",
    )
    write_root(tmp_path, os.getpid())
    with exporter(tmp_path, MONAGENT_WEB_CONFIG=config) as running:
        assert running.url.startswith("https://")

        assert scrape(running.url, certificates, "client") == 200
        with pytest.raises((urllib.error.URLError, OSError)):
            scrape(running.url, certificates)

        before = ssl_certificate(running.port, certificates)
        sign(certificates, "server")
        until(lambda: ssl_certificate(running.port, certificates) != before, "the renewal")
        assert scrape(running.url, certificates, "client") == 200


def test_a_certificate_that_is_read_half_renewed_is_read_again(
    tmp_path: Path, certificates: Path
) -> None:
    """Its key is there first, and both are written within one tick of the file system's clock."""
    pair = "tls_server_config: {cert_file: pki/server.crt, key_file: pki/server.key}"
    names = ("server.crt", "server.key")
    for name in names:
        os.utime(certificates / name, (1.0, 1.0))
    web = WebConfig.load(written(tmp_path, pair))
    old = web.context()
    sign(certificates, "server")
    renewed = (certificates / "server.crt").read_bytes()
    (certificates / "server.crt").write_bytes(renewed[:100])
    for name in names:
        os.utime(certificates / name, (2.0, 2.0))
    half = web.context()
    (certificates / "server.crt").write_bytes(renewed)
    os.utime(certificates / "server.crt", (2.0, 2.0))
    whole = web.context()

    assert half is old
    assert whole is not old
    assert web.context() is whole


def ssl_certificate(port: int, where: Path) -> bytes:
    """The certificate that the server shows."""
    context = ssl.create_default_context(cafile=str(where / "ca.crt"))
    context.load_cert_chain(where / "client.crt", where / "client.key")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            return secure.getpeercert(binary_form=True) or b""


def test_half_open_handshakes_do_not_stop_tls_scrapes(tmp_path: Path, certificates: Path) -> None:
    """Connections that never say hello are counted and cut like all others."""
    config = written(
        tmp_path,
        "tls_server_config: {cert_file: pki/server.crt, key_file: pki/server.key}",
    )
    write_root(tmp_path, os.getpid())
    with exporter(tmp_path, MONAGENT_WEB_CONFIG=config) as running:
        port = running.port
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        try:
            begun = time.monotonic()
            assert scrape(running.url, certificates) == 200
            assert time.monotonic() - begun < HEADER_TIME
            assert len(os.listdir(f"/proc/{running.process.pid}/fd")) < 160
        finally:
            for sock in silent:
                sock.close()
