"""One logical call is one count, whatever stands on whatever, and a second call is a second one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.http_client.clients import Ask, able, by_tornado
from tests.http_client.numbers import Numbers
from tests.http_client.server import Server
from tests.http_client.test_matrix import UNTOLD, old
from tests.ports import free_port


def test_requests_counts_and_urllib3_beneath_does_not(numbers: Numbers, server: Server) -> None:
    """With redirects, too, each of which is a send of requests and of urllib3."""
    import requests

    with requests.Session() as session:
        session.get(server.url("/redirect/4"))

    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.values("http.client.request.resends", "reason") == {("redirect",): 4.0}


def lost_by_tornado() -> bool:
    """Whether the installed version is that old; it is the newest for Python 3.10."""
    import tornado

    return bool(tornado.version_info < (6, 6))


@pytest.mark.parametrize(
    "client", able("follows redirects").values(), ids=able("follows redirects")
)
@pytest.mark.parametrize("path", ["/reset", "/broken"])
def test_a_redirect_to_what_fails_is_asked_for_once(
    numbers: Numbers, server: Server, client: Callable[[Ask], int], path: str
) -> None:
    """The application gets the error of the second step, and nothing is sent again."""
    if client is by_tornado and lost_by_tornado():
        pytest.skip("tornado before 6.6 loses the error behind a redirect, and never ends")
    server.seen.clear()
    with pytest.raises(Exception) as caught:
        # Tornado does not see a body break off, and waits.
        client(Ask(server.url(f"/away{path}"), timeout=5))

    # libcurl tries a kept connection that breaks before any answer once more, anew.
    repeats = path == "/reset" and client not in able("asks once").values()
    assert server.seen == [f"/away{path}", path] + [path] * repeats
    package = caught.type.__module__.partition(".")[0]
    assert package.rstrip("2") in (
        "requests", "urllib3", "httpx", "aiohttp", "builtins", "niquests", "tornado",
        "pycurl",
    )  # fmt: skip
    ((method, _, error),) = numbers.outcomes()
    untold = package == "aiohttp" and old("aiohttp", "3.8.") and path == "/broken"
    known = UNTOLD.get((client, path), "connection_reset")
    assert (method, error) == ("GET", "response_ended" if untold else known)
    assert numbers.values("http.client.request.resends", "reason") == {("redirect",): 1.0}


def test_redirects_that_the_application_follows_are_calls_of_their_own(
    numbers: Numbers, server: Server
) -> None:
    """It asked for each of them."""
    import requests

    with requests.Session() as session:
        answer = session.get(server.url("/redirect/1"), allow_redirects=False)
        assert answer.next is not None
        session.send(answer.next, allow_redirects=False)

    assert numbers.outcomes() == {("GET", 302, None): 1, ("GET", 200, None): 1}


def test_retries_of_an_adapter_are_one_call(numbers: Numbers, server: Server) -> None:
    """Two answers of 503, then one of 200."""
    import requests
    import urllib3

    path = f"/flaky/{uuid.uuid4()}"
    retries = urllib3.Retry(total=5, status_forcelist=[503], backoff_factor=0)
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        session.get(server.url(path))

    assert server.seen.count(path) == 3
    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.values("http.client.request.resends", "reason") == {("status",): 2.0}


def test_retries_of_a_manager_are_one_call(numbers: Numbers, server: Server) -> None:
    """Connections that break are tried anew until urllib3 gives up."""
    import urllib3

    with urllib3.PoolManager(retries=urllib3.Retry(total=2, backoff_factor=0)) as manager:
        with pytest.raises(urllib3.exceptions.MaxRetryError):
            manager.request("GET", server.url("/reset"))

    assert numbers.outcomes() == {("GET", None, "connection_reset"): 1}
    assert numbers.values("http.client.request.resends", "reason") == {("read",): 2.0}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_retries_of_a_transport_are_one_call(numbers: Numbers, asynchronous: bool) -> None:
    """Connections that are refused are tried anew, as often as httpx was told."""
    import httpx

    url = f"http://127.0.0.1:{free_port()}/"

    async def wait() -> None:
        transport = httpx.AsyncHTTPTransport(retries=2)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            await client.get(url)

    def call() -> None:
        if asynchronous:
            asyncio.run(wait())
        else:
            with httpx.Client(transport=httpx.HTTPTransport(retries=2)) as client:
                client.get(url)

    with pytest.raises(httpx.ConnectError):
        call()

    assert numbers.outcomes() == {("GET", None, "connection_refused"): 1}
    assert numbers.values("http.client.request.resends", "reason") == {("connect",): 2.0}


def test_a_pool_used_directly_counts(numbers: Numbers, server: Server) -> None:
    """As botocore does, with the arguments that a manager gives as well."""
    import urllib3

    with urllib3.PoolManager() as manager:
        pool = manager.connection_from_url(server.url("/"))
        pool.urlopen("GET", "/ok", assert_same_host=False, preload_content=False).read()
        pool.urlopen("POST", "/upload", b"body")

    assert numbers.outcomes() == {("GET", 200, None): 1, ("POST", 200, None): 1}


def test_a_hook_that_calls_another_server_is_another_call(numbers: Numbers, server: Server) -> None:
    """A token fetched while a call is under way, by another client and by the same library."""
    import requests
    import urllib3

    def fetch(answer: Any, *args: Any, **kwargs: Any) -> None:
        requests.post(server.url("/upload"), data=b"token")
        with urllib3.PoolManager() as manager:
            manager.request("PUT", server.url("/upload"), body=b"more")

    with requests.Session() as session:
        session.get(server.url("/ok"), hooks={"response": fetch})

    assert numbers.outcomes() == {
        ("GET", 200, None): 1,
        ("POST", 200, None): 1,
        ("PUT", 200, None): 1,
    }


def test_an_authentication_step_of_httpx_is_part_of_its_call(
    numbers: Numbers, server: Server
) -> None:
    """The flow sends twice for one call of the application."""
    import httpx

    class Twice(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            yield request
            yield request

    with httpx.Client(trust_env=False) as client:
        client.get(server.url("/ok"), auth=Twice())

    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.values("http.client.request.resends", "reason") == {("auth",): 1.0}


def test_calls_made_by_an_application_under_test_count_beside_the_call_to_it(
    numbers: Numbers, server: Server
) -> None:
    """Over ASGITransport the application runs within the call."""
    import httpx

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(server.url("/upload"), content=b"x")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    async def work() -> None:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            assert (await client.get("/")).text == "hello"

    asyncio.run(work())

    assert numbers.outcomes() == {("GET", 200, None): 1, ("POST", 200, None): 1}


def test_calls_through_opentelemetrys_instrumentation_count_once(
    numbers: Numbers, server: Server
) -> None:
    """Its wrappers stand between requests, urllib3 and ours."""
    import requests
    import urllib3
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

    RequestsInstrumentor().instrument()
    URLLib3Instrumentor().instrument()
    try:
        requests.get(server.url("/redirect/2"))
        with urllib3.PoolManager() as manager:
            manager.request("POST", server.url("/upload"), body=b"x")
    finally:
        RequestsInstrumentor().uninstrument()
        URLLib3Instrumentor().uninstrument()

    assert numbers.outcomes() == {("GET", 200, None): 1, ("POST", 200, None): 1}
