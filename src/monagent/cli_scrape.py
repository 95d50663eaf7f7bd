"""Reading an exposition, for the commands that explain: from an endpoint, a file or a directory."""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException

from monagent import settings, tree
from monagent.exporter.disk import Disk
from monagent.exporter.engine import Engine
from monagent.settings_kinds import without_password
from monagent.store import directory, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

TIMEOUT = 5.0
UNKNOWN_CLIENT = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "HANDSHAKE_FAILURE", "UNEXPECTED_EOF")
"""What ends TLS where the server wants a client certificate; asyncio's hangs up without a word."""


class Closed(Exception):
    """The endpoint answers, but not to us; the message says what it asks for."""


@dataclass(frozen=True)
class Sample:
    """One line: name, labels, value."""

    name: str
    labels: dict[str, str]
    value: float


def fetch(url: str, own: bool = False) -> str:
    """The text that an endpoint serves; `https://user:password@host/metrics` sends these. Raises
    Closed, OSError when it does not answer, ValueError for what is no URL or no text.

    The certificate of `own`, an endpoint found by its directory, is not looked at: it is for names
    by which others know this machine.
    """
    request = urllib.request.Request(without_password(url))
    user, at, _ = urllib.parse.urlsplit(url).netloc.rpartition("@")
    if at:
        given = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {given}")
    # Past proxies of the environment, which do not know this machine's own addresses.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if own and url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=_trusting()))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as answer:
            text: str = answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 401:
                raise
            raise Closed("a password" if not at else "another password") from None
    except (HTTPException, OSError) as error:
        if url.startswith("https:") and _hung_up(error):
            raise Closed("a client certificate, as it seems") from None
        if isinstance(error, HTTPException):
            raise OSError(f"no HTTP: {error}") from None
        raise
    return text


def _hung_up(error: Exception) -> bool:
    """Whether TLS was begun and ended by the other side."""
    within = error.reason if isinstance(error, urllib.error.URLError) else error
    told = str(getattr(within, "reason", ""))
    cut = isinstance(within, ConnectionResetError | BrokenPipeError)
    return cut or any(word in told for word in UNKNOWN_CLIENT)


def _trusting() -> ssl.SSLContext:
    import ssl  # Only who meets https pays for OpenSSL.

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Untouched(Disk):
    """Somebody else's files: what would be written goes nowhere."""

    def create(self, path: str, mode: int) -> int:  # noqa: ARG002 - Disk's
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def rename(self, source: str, goal: str) -> None: ...

    def unlink(self, path: str) -> None: ...


def of_directory(path: str) -> list[Sample]:
    """What the endpoint of a state directory serves, put together from its files as its exporter
    does: for who may read those, and has no password."""
    if not os.path.isdir(path):
        return []
    engine = Engine(path, settings.load({}), lambda _: None, disk=_Untouched())
    return parse(engine.scrape(False).decode())


def parse(text: str) -> list[Sample]:
    """All samples of a Prometheus text; raises ValueError for any other."""
    try:
        # Not splitlines(): a label's value may hold what else ends a line elsewhere.
        return [_sample(line) for line in text.split("\n") if line and not line.startswith("#")]
    except IndexError:
        raise ValueError("no Prometheus text") from None


def _sample(line: str) -> Sample:
    name, brace, rest = line.partition("{")
    if not brace:
        name, _, value = line.partition(" ")
        return Sample(name, {}, float(value.split()[0]))
    found = list(_labels(rest))
    end = found[-1][2] if found else 0
    labels = {key: value for key, value, _ in found}
    return Sample(name, labels, float(rest[end:].lstrip("}").split()[0]))


def _labels(rest: str) -> Iterator[tuple[str, str, int]]:
    """Label, unescaped value, and where the value ends; quotation marks may be escaped."""
    at = 0
    while rest[at] != "}":
        key, _, _ = rest[at:].partition("=")
        at += len(key) + 2
        value = ""
        while rest[at] != '"':
            if rest[at] == "\\":
                at += 1
                value += {"n": "\n"}.get(rest[at], rest[at])
            else:
                value += rest[at]
            at += 1
        at += 1
        yield key.strip(","), value, at
        if rest[at] == ",":
            at += 1


def running() -> dict[str, str]:
    """Endpoints of the trees that run on this machine as this user, by state directory."""
    found = {}
    for place in directory.places(os.environ):
        home = directory.home(place)
        for name in sorted(os.listdir(home)) if os.path.isdir(home) else ():
            path = f"{home}/{name}"
            root, url = directory.read_root(path), tree.endpoint(path)
            if root and url and process.start_ticks(root[0]) == root[1]:
                found[path] = url
    return found
