"""Prometheus web-config file: TLS and basic authentication, as the exporters written in Go know it.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
PyYAML, bcrypt and ssl are imported only when such a file is given.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    import ssl

SECTIONS = ("tls_server_config", "http_server_config", "basic_auth_users")
TLS_KEYS = (
    *("cert_file", "key_file", "client_ca_file", "client_auth_type"),
    *("min_version", "max_version"),
)
VERSIONS = {"TLS10": "TLSv1", "TLS11": "TLSv1_1", "TLS12": "TLSv1_2", "TLS13": "TLSv1_3"}
CLIENTS = {
    "NoClientCert": "CERT_NONE",
    "VerifyClientCertIfGiven": "CERT_OPTIONAL",
    "RequireAndVerifyClientCert": "CERT_REQUIRED",
}
# Of a password nobody has, so that unknown users take as long as known ones.
NOBODY = b"$2b$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


class Wrong(Exception):
    """The file cannot be used; the message names file, key, what was found and expected."""


def fault(path: str) -> str:
    """What is wrong with this file; "" if nothing is."""
    try:
        WebConfig.load(path)
    except Wrong as error:
        return str(error)
    return ""


class WebConfig:
    """What the file says; without a file everybody is admitted, in plain text.

    Attributes:
        headers: sent with every answer.
    """

    def __init__(self) -> None:
        self.headers: tuple[tuple[str, str], ...] = ()
        self.users: dict[str, bytes] = {}
        self._tls: dict[str, Any] = {}
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[tuple[int, int, int], ...] = ()
        self._admitted: dict[bytes, bool] = {}
        self._key = os.urandom(16)
        self._one_at_a_time: asyncio.Lock | None = None

    @classmethod
    def load(cls, path: str) -> WebConfig:
        """Reads the file; raises Wrong."""
        try:
            import yaml
        except ImportError as error:
            raise Wrong(f"{path}: cannot be read without PyYAML: {error}") from None
        try:
            with open(path, "rb") as file:
                found = yaml.safe_load(file)
        except OSError as error:
            raise Wrong(
                f"found {path!r}, which cannot be read ({error.strerror}),"
                " expected a web configuration file"
            ) from None
        except yaml.YAMLError as error:
            raise Wrong(f"{path}: found no YAML: {' '.join(str(error).split())}") from None
        web = cls()
        web._take(path, found if found is not None else {})
        return web

    def _take(self, path: str, found: object) -> None:
        sections = _mapping(path, "", found, SECTIONS)
        tls = sections.get("tls_server_config")
        if tls:
            self._take_tls(path, tls)
        users = _mapping(path, "basic_auth_users", sections.get("basic_auth_users") or {})
        for user, digest in users.items():
            if not isinstance(digest, str) or not digest.startswith("$2"):
                raise Wrong(
                    f"{path}: basic_auth_users.{user}: found {_kind(digest)},"
                    " expected a bcrypt hash ($2y$…)"
                )
            self.users[str(user)] = digest.encode()
        if self.users:
            _bcrypt(path)
        http = _mapping(
            path,
            "http_server_config",
            sections.get("http_server_config") or {},
            ("http2", "headers"),
        )
        headers = _mapping(path, "http_server_config.headers", http.get("headers") or {})
        self.headers = tuple((str(name), str(value)) for name, value in headers.items())

    def _take_tls(self, path: str, found: object) -> None:
        where = "tls_server_config"
        tls = dict(_mapping(path, where, found, TLS_KEYS))
        for key in ("cert_file", "key_file"):
            if not tls.get(key):
                raise Wrong(f"{path}: {where}.{key}: found nothing, expected a file")
        for key in ("cert_file", "key_file", "client_ca_file"):
            if tls.get(key):
                tls[key] = os.path.join(os.path.dirname(os.path.abspath(path)), str(tls[key]))
                if not os.access(tls[key], os.R_OK):
                    raise Wrong(f"{path}: {where}.{key}: cannot read {tls[key]}")
        _one_of(path, where, tls, "min_version", VERSIONS)
        _one_of(path, where, tls, "max_version", VERSIONS)
        _one_of(path, where, tls, "client_auth_type", CLIENTS)
        verifies = tls.get("client_auth_type", "NoClientCert") != "NoClientCert"
        if verifies and not tls.get("client_ca_file"):
            raise Wrong(f"{path}: {where}.client_ca_file: found nothing, expected a file")
        if tls.get("client_ca_file") and not verifies:
            # As Go's: a CA without a client_auth_type would verify nobody, which nobody means.
            raise Wrong(
                f"{path}: {where}.client_auth_type: found {tls.get('client_auth_type', 'nothing')},"
                " expected RequireAndVerifyClientCert or VerifyClientCertIfGiven"
            )
        self._tls = {**tls, "path": path}
        self.context()

    def context(self) -> ssl.SSLContext | None:
        """TLS for the next connection, with certificates read anew after they were renewed."""
        if not self._tls:
            return None
        files = [
            self._tls[k] for k in ("cert_file", "key_file", "client_ca_file") if k in self._tls
        ]
        try:
            stamp = tuple(_version(os.stat(file)) for file in files)
        except OSError:
            stamp = self._stamp
        if self._context is None or stamp != self._stamp:
            try:
                self._context = _context(self._tls)
            except Wrong:
                # Half-renewed: the old certificate until the new key is there too. The stamp stays
                # as it was, for what is written within the same tick of the clock bears the same.
                if self._context is None:
                    raise
            else:
                self._stamp = stamp
        return self._context

    async def admits(self, authorization: str) -> bool:
        """Whether these credentials (the header's value) open the endpoint."""
        if not self.users:
            return True
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        # bcrypt takes a tenth of a second on purpose; a scraper comes every few seconds.
        known = hmac.new(self._key, given, hashlib.sha256).digest()
        if known not in self._admitted:
            # Here and not above, for the launcher reads the file too.
            import asyncio

            from monagent.exporter.worker import alone

            # One check at a time, or guessing passwords would keep all cores busy.
            self._one_at_a_time = self._one_at_a_time or asyncio.Lock()
            async with self._one_at_a_time:
                admitted = await alone(lambda: self._check(given))
            if len(self._admitted) >= 100:
                self._admitted.clear()
            self._admitted[known] = admitted
        return self._admitted[known]

    def _check(self, given: bytes) -> bool:
        user, _, password = given.partition(b":")
        found = None
        for name, digest in self.users.items():
            if hmac.compare_digest(name.encode(), user):
                found = digest
        matches = _matches(password, found or NOBODY)
        return matches and found is not None


def _version(found: os.stat_result) -> tuple[int, int, int]:
    """What tells a file's content from the one before; a time alone is too coarse."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def _matches(password: bytes, digest: bytes) -> bool:
    import bcrypt

    try:
        # Past 72 bytes bcrypt 5 raises where all others cut, Go's Prometheus among them.
        return bcrypt.checkpw(password[:72], digest)
    except ValueError:
        return False


def _bcrypt(path: str) -> None:
    try:
        import bcrypt  # noqa: F401
    except ImportError as error:
        raise Wrong(f"{path}: basic_auth_users cannot be checked: {error}") from None


def _mapping(
    path: str, where: str, found: object, keys: tuple[str, ...] | None = None
) -> dict[Any, Any]:
    before = f"{where}: " if where else ""
    if not isinstance(found, dict):
        raise Wrong(f"{path}: {before}found {_kind(found)}, expected a mapping")
    for key in found:
        if keys is not None and key not in keys:
            raise Wrong(f"{path}: {before}found {key!r}, expected one of {', '.join(keys)}")
    return found


def _one_of(path: str, where: str, tls: dict[str, Any], key: str, allowed: dict[str, str]) -> None:
    if tls.get(key) is not None and tls[key] not in allowed:
        words = ", ".join(allowed)
        raise Wrong(f"{path}: {where}.{key}: found {tls[key]!r}, expected one of {words}")


def _kind(found: object) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"


def _context(tls: dict[str, Any]) -> ssl.SSLContext:
    import ssl

    path = tls["path"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion[VERSIONS[tls.get("min_version") or "TLS12"]]
    if tls.get("max_version"):
        context.maximum_version = ssl.TLSVersion[VERSIONS[tls["max_version"]]]
    try:
        context.load_cert_chain(tls["cert_file"], tls["key_file"])
    except (OSError, ValueError) as error:
        raise Wrong(f"{path}: tls_server_config: {tls['cert_file']}: {error}") from None
    if tls.get("client_ca_file"):
        try:
            context.load_verify_locations(tls["client_ca_file"])
        except (OSError, ValueError) as error:
            raise Wrong(f"{path}: tls_server_config.client_ca_file: {error}") from None
    context.verify_mode = ssl.VerifyMode[CLIENTS[tls.get("client_auth_type") or "NoClientCert"]]
    return context
