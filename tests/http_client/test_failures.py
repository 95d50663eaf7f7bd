"""The words for what went wrong."""

from __future__ import annotations

import asyncio
import importlib
import socket
import ssl
from typing import Any

import pytest

from monagent.conventions._failures import failure
from monagent.conventions.http_client import _seconds as delay
from tests.http_client.server import Server
from tests.ports import free_port


def test_an_error_that_was_handled_when_the_call_was_made_is_not_the_calls() -> None:
    """The application looks for a replacement of a server that refused it, and fails otherwise."""

    def call() -> None:
        raise ValueError("what the call fails with")

    try:
        try:
            raise ConnectionRefusedError
        except ConnectionRefusedError:
            call()
    except ValueError as error:
        word = failure(error)

    assert word == "ValueError"


def test_an_error_that_was_raised_while_handling_another_says_the_deeper_one() -> None:
    """As libraries wrap them, with or without `from`."""

    def call() -> None:
        try:
            raise socket.gaierror(-2, "Name or service not known")
        except OSError as error:
            raise RuntimeError("cannot connect") from error

    with pytest.raises(RuntimeError) as caught:
        call()

    assert failure(caught.value) == "name_resolution_error"


def test_a_name_that_aiodns_cannot_resolve_is_told_as_everywhere() -> None:
    """Where it is installed, aiohttp asks it and makes a plain OSError of its error."""
    import aiohttp

    class DNSError(Exception):
        __module__ = "aiodns.error"

    class Resolver(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_: object, **__: object) -> list[Any]:
            try:
                raise DNSError(4, "Domain name not found")
            except DNSError as error:
                raise OSError(None, "Domain name not found") from error

        async def close(self) -> None:
            pass

    async def call() -> Any:
        connector = aiohttp.TCPConnector(resolver=Resolver())
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get("http://nowhere.invalid/")
        return caught.value

    error = asyncio.run(call())

    assert failure(error) == "name_resolution_error"
    assert failure(error.os_error) == "name_resolution_error"  # as far as older aiohttp tells


def test_an_attempt_that_was_given_up_for_another_is_not_what_the_call_ended_with(
    server: Server,
) -> None:
    """A transport that turns to a second server when the first one refuses."""
    import httpx

    class Failover(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            first = httpx.Request(
                "GET", f"http://127.0.0.1:{free_port()}/", extensions=request.extensions
            )
            try:
                return super().handle_request(first)
            except httpx.ConnectError:
                return super().handle_request(request)

    words = []
    with httpx.Client(transport=Failover(), timeout=0.3) as client:
        for path in ("/silent", "/garbage", "/reset"):
            with pytest.raises(httpx.TransportError) as caught:
                client.get(server.url(path))
            words.append(failure(caught.value))

    assert words == ["read_timeout", "protocol_error", "connection_reset"]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_what_ends_a_call_over_tls_is_not_that_tls_waits(tls_server: Server, library: str) -> None:
    """AnyIO waits for the network while it handles ssl.SSLWantReadError."""
    httpx = importlib.import_module(library)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    async def words() -> list[str]:
        found = []
        async with httpx.AsyncClient(verify=trusting, trust_env=False, timeout=0.5) as client:
            for url in (tls_server.url("/silent"), mute, tls_server.url("/reset")):
                with pytest.raises(httpx.TransportError) as caught:
                    await client.get(url)
                found.append(failure(caught.value))
        return found

    with socket.create_server(("127.0.0.1", 0)) as taken:  # nobody accepts there
        mute = f"https://127.0.0.1:{taken.getsockname()[1]}/"
        found = asyncio.run(words())

    assert found == ["read_timeout", "connect_timeout", "connection_reset"]


def test_an_error_of_the_application_is_told_by_its_class() -> None:
    """And its text is not looked at."""

    class Mine(Exception):
        pass

    word = failure(Mine("secret"))

    assert word.endswith("Mine")
    assert "secret" not in word


def test_errors_that_contain_one_another_end() -> None:
    """A circle of causes is walked once."""
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one

    assert failure(one) == "RuntimeError"


class Mute(Exception):
    """Has neither a text nor a reason."""

    @property
    def reason(self) -> object:
        """Why it is so is not known."""
        raise LookupError

    def __str__(self) -> str:
        raise LookupError


class Strange(Exception):
    """Has one argument, which is no tuple."""

    args = 5  # type: ignore[assignment]  # that is it


@pytest.mark.parametrize("error", [Mute(), Strange()], ids=["mute", "strange"])
def test_an_error_that_tells_nothing_is_told_by_its_class(error: Exception) -> None:
    """What it does when it is asked is no failure of ours."""
    assert failure(error).endswith(type(error).__name__)


def test_a_date_that_no_clock_knows_is_no_delay() -> None:
    """As servers may send whatever they like."""
    assert delay("Mon, 01 Jan 2030 00:00:00 +99999999999999999") is None
