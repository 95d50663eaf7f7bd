"""One table of misdeeds and what every client must have counted after each."""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.http_client.clients import (
    CLIENTS,
    Ask,
    Body,
    able,
    by_aiohttp,
    by_async_niquests,
    by_niquests,
    by_requests,
    by_tornado,
)
from tests.http_client.numbers import ACTIVE, RECEIVED, SENT, Numbers
from tests.http_client.server import BIG, PACKED, Server
from tests.ports import free_port


@dataclass(frozen=True)
class Case:
    """A path of the server, and what the call to it must count as.

    `sent` and `received` are bytes of the bodies; None when no size may be recorded.
    """

    path: str
    status: int | None
    error: str | None = None
    received: int | None = 0
    sent: int | None = 0
    method: str = "GET"
    body: Body = None
    timeout: float = 30.0
    streams: bool = True
    redirects: int = 0


def broke(path: str, error: str, status: int | None = None, **rest: float) -> Case:
    """A call that raises."""
    return Case(path, status, error, received=None, sent=None, streams=bool(status), **rest)  # type: ignore[arg-type]  # a timeout


CASES = {
    "ok": Case("/ok", 200, received=5),
    "head": Case("/ok", 200, method="HEAD"),
    "no content": Case("/status/204", 204),
    "not found": Case("/status/404", 404, "404"),
    "server error": Case("/status/500", 500, "500"),
    "limited": Case("/limited", 429, "429"),
    "redirects": Case("/redirect/3", 200, received=5, redirects=3),
    "chunked": Case("/chunked", 200, received=17),
    "compressed": Case("/gzip", 200, received=len(PACKED)),
    "large": Case("/big", 200, received=BIG),
    "closing": Case("/close", 200, received=5),
    "until closed": Case("/unbounded", 200, received=5),
    "upload": Case("/upload", 200, method="POST", body=b"x" * 70_000, sent=70_000, received=5),
    "parts": Case("/upload", 200, method="PUT", body=(b"ab", b"cde"), sent=5, received=1),
    "unknown method": Case("/ok", 200, method="BREW", received=5),
    "redirect loop": broke("/loop", "too_many_redirects"),
    "no answer": broke("/silent", "read_timeout", timeout=0.2),
    "stalled body": broke("/stall", "read_timeout", 200, timeout=0.5),
    "reset": broke("/reset", "connection_reset"),
    # Tornado does not see it, and waits.
    "reset in the body": broke("/broken", "connection_reset", 200, timeout=5.0),
    "short body": broke("/short", "response_ended", 200),
    "closed at once": broke("/hangup", "response_ended"),
    "garbage": broke("/garbage", "protocol_error"),
}


NEEDS = dict.fromkeys(("redirects", "redirect loop"), "follows redirects")
NEEDS["parts"] = "sends parts"
CALLS = [
    pytest.param(client, case, id=f"{name}-{what}")
    for what, case in CASES.items()
    for name, client in able(NEEDS.get(what, "")).items()
]

UNTOLD: dict[tuple[object, str], str] = {
    (by_tornado, "/garbage"): "response_ended",
    (by_tornado, "/broken"): "read_timeout",
    (by_niquests, "/broken"): "response_ended",
    (by_niquests, "/hangup"): "connection_reset",
    (by_async_niquests, "/broken"): "response_ended",
    (by_async_niquests, "/hangup"): "connection_reset",
}
"""What a client itself takes an error for."""

UNTOLD_BEFORE: dict[tuple[object, str], str] = {
    (by_tornado, "/garbage"): "read_timeout",
    (by_tornado, "/broken"): "",
}
"""The same for Tornado until 6.3."""


@pytest.mark.parametrize("stream", [False, True], ids=["read", "streamed"])
@pytest.mark.parametrize(("client", "case"), CALLS)
def test_a_call_counts_once_as_the_table_says(
    numbers: Numbers, server: Server, client: Callable[[Ask], int], case: Case, stream: bool
) -> None:
    """Whatever the client, and whether it reads the body itself or the application does."""
    ask = Ask(server.url(case.path), case.method, stream, case.timeout, case.body)
    failed = attempt(client, ask)

    method = case.method if case.method != "BREW" else "_OTHER"
    # Until 3.9 aiohttp told nobody why a body had stopped short.
    untold = case.path == "/broken" and client is by_aiohttp and old("aiohttp", "3.8.")
    names = UNTOLD | UNTOLD_BEFORE if client is by_tornado and old_tornado() else UNTOLD
    error = "response_ended" if untold else names.get((client, case.path)) or case.error
    outcome = (method, case.status, error)
    assert numbers.outcomes() == {outcome: 1}, failed
    # Until 2.28 requests wrote parts to the socket by itself, past everything that counts.
    weighs = client in able("weighs parts").values()
    weighs = weighs and not (client is by_requests and old("requests", "2.28."))
    unseen = isinstance(case.body, tuple) and not weighs
    sizes = {} if case.sent is None or unseen else {outcome: (1, case.sent)}
    assert numbers.sizes(SENT) == sizes
    assert numbers.sizes(RECEIVED) == (
        {} if case.received is None else {outcome: (1, case.received)}
    )
    if case.error != "too_many_redirects":
        resends = {("redirect",): float(case.redirects)} if case.redirects else {}
        assert numbers.values("http.client.request.resends", "reason") == resends
    quiet(numbers)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_refused_connection_counts(numbers: Numbers, client: Callable[[Ask], int]) -> None:
    """Nobody listens there."""
    assert attempt(client, Ask(f"http://127.0.0.1:{free_port()}/"))

    assert numbers.outcomes() == {("GET", None, "connection_refused"): 1}
    quiet(numbers)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_name_that_does_not_exist_counts(numbers: Numbers, client: Callable[[Ask], int]) -> None:
    """RFC 2606 keeps .invalid free of names."""
    assert attempt(client, Ask("http://nowhere.invalid/"))

    assert numbers.outcomes() == {("GET", None, "name_resolution_error"): 1}
    quiet(numbers)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_certificate_of_somebody_else_counts(
    numbers: Numbers, tls_server: Server, client: Callable[[Ask], int]
) -> None:
    """The handshake fails before anything was asked."""
    assert attempt(client, Ask(tls_server.url("/ok")))

    assert numbers.outcomes() == {("GET", None, "server_certificate_invalid"): 1}
    quiet(numbers)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_plain_text_where_tls_was_expected_counts(
    numbers: Numbers, server: Server, client: Callable[[Ask], int]
) -> None:
    """The server takes it for a bad request."""
    assert attempt(client, Ask(server.url("/ok").replace("http:", "https:")))

    assert numbers.outcomes() == {("GET", None, "tls_error"): 1}
    quiet(numbers)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_connection_that_is_never_made_counts(
    numbers: Numbers, client: Callable[[Ask], int]
) -> None:
    """The queue of the listening socket is full, so the kernel drops further connections."""
    with full_queue() as port:
        assert attempt(client, Ask(f"http://127.0.0.1:{port}/", timeout=0.2))

    assert numbers.outcomes() == {("GET", None, "connect_timeout"): 1}
    quiet(numbers)


@pytest.mark.parametrize("client", able("times writes").values(), ids=able("times writes"))
def test_an_upload_that_nobody_takes_counts(numbers: Numbers, client: Callable[[Ask], int]) -> None:
    """The kernel makes the connection and keeps what fits into its buffers."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        assert attempt(client, Ask(url, "PUT", timeout=0.3, body=bytes(30_000_000)))

    assert numbers.outcomes() == {("PUT", None, "write_timeout"): 1}
    quiet(numbers)


@pytest.mark.parametrize("client", able("takes URLs").values(), ids=able("takes URLs"))
def test_an_invalid_url_counts_without_its_text(
    numbers: Numbers, client: Callable[[Ask], int]
) -> None:
    """Whatever stands where the host should be is no label."""
    assert attempt(client, Ask("http://host:secret/"))

    assert numbers.outcomes() == {("GET", None, "invalid_url"): 1}
    hosts = numbers.values("http.client.request.duration", "server.address", "server.port")
    assert set(hosts) <= {("unknown", None)}


def old(library: str, version: str) -> bool:
    """Whether the installed version is among the oldest covered."""
    return str(vars(importlib.import_module(library))["__version__"]).startswith(version)


def old_tornado() -> bool:
    """Whether the installed version is among the oldest covered."""
    import tornado

    return bool(tornado.version_info < (6, 4))


def attempt(client: Callable[[Ask], int], ask: Ask) -> str:
    """Make the call; tells the error that it ended with, whose frames would hold connections."""
    try:
        client(ask)
    except Exception as error:
        return repr(error)
    return ""


def quiet(numbers: Numbers) -> None:
    """Nothing is under way, and no connection is left open."""
    assert numbers.total(ACTIVE) == 0
    assert numbers.connections() == {}


@contextlib.contextmanager
def full_queue() -> Iterator[int]:
    """A port that takes no further connection."""
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        taken.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(taken.getsockname())
        yield taken.getsockname()[1]


def test_an_invalid_url_that_nobody_calls_is_no_call(numbers: Numbers) -> None:
    """An application may look at URLs without calling them."""
    import httpx
    import requests

    with pytest.raises(httpx.InvalidURL):
        httpx.URL("http://host:secret/")
    with pytest.raises(requests.exceptions.InvalidURL):
        requests.Request("GET", "http://host:secret/").prepare()

    assert numbers.outcomes() == {}
