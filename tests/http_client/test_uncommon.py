"""What applications do to clients' own objects: replace, copy, drop and call them from anywhere."""

from __future__ import annotations

import _thread
import copy
import http.client
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.http_client.numbers import ACTIVE, Numbers
from tests.http_client.server import Server
from tests.recorded import Counted, counted


class Buffered(http.client.HTTPConnection):
    """With a `getresponse` of its own, whose arguments are its own too."""

    def getresponse(self, buffering: bool = False) -> Any:
        """As Python 2 had it."""
        return super().getresponse()


def test_getresponse_is_whose_it_was(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subclass's, a stand-in on the object or on the class, called as it would be."""
    connection: http.client.HTTPConnection = Buffered("127.0.0.1", server.port)
    connection.request("GET", "/ok")
    assert connection.getresponse.__name__ == "getresponse"
    answer = connection.getresponse(buffering=True)  # type: ignore[call-arg]  # Buffered's
    assert answer.read() == b"hello"
    connection.close()
    assert numbers.outcomes() == {("GET", 200, None): 1}

    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    monkeypatch.setattr(connection, "getresponse", lambda: "stand-in", raising=True)
    for _ in range(2):
        connection.request("GET", "/ok")
        assert connection.getresponse() == "stand-in"  # type: ignore[comparison-overlap]
        connection.close()
    with mock.patch("http.client.HTTPConnection.getresponse") as stand_in:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/ok")
        connection.getresponse()
        assert stand_in.mock_calls == [mock.call()]
        connection.close()


def test_a_copy_of_a_connection_makes_no_call(numbers: Numbers, server: Server) -> None:
    """The call is that of the first, whose answer is still to come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/ok")
    socket, connection.sock = connection.sock, None
    other = copy.deepcopy(connection)
    pickle.loads(pickle.dumps(connection))
    connection.sock = socket
    del other
    assert numbers.outcomes() == {}

    assert connection.getresponse().read() == b"hello"
    connection.close()
    assert numbers.outcomes() == {("GET", 200, None): 1}


def test_the_file_of_an_answer_is_iterated_and_closed_as_before(
    numbers: Numbers, server: Server
) -> None:
    """`fp`, by which old programs read lines."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/close")
    answer = connection.getresponse()
    with answer.fp as file:
        assert list(file) == [b"hello"]
    vars(answer)["fp"] = None  # or it would be flushed, which the closed file refuses
    connection.close()

    assert file.closed
    assert numbers.outcomes() == {("GET", 200, None): 1}


@pytest.mark.parametrize("library", ["http", "urllib3", "requests"])
def test_a_call_from_a_thread_that_runs_nothing_else(
    numbers: Numbers, server: Server, library: str
) -> None:
    """Nobody calls it there, as at the end of the interpreter."""
    import requests
    import urllib3

    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    pool = urllib3.HTTPConnectionPool("127.0.0.1", server.port)
    session = requests.Session()
    session.trust_env = False
    request = session.prepare_request(requests.Request("GET", server.url("/ok")))
    calls: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
        "http": (connection.request, ("GET", "/ok"), {}),
        "urllib3": (pool.urlopen, ("GET", "/ok"), {"assert_same_host": False}),
        "requests": (session.send, (request,), {"allow_redirects": False}),
    }
    seen = server.seen.count("/ok")

    _thread.start_new_thread(*calls[library])

    until = time.monotonic() + 30
    while time.monotonic() < until and server.seen.count("/ok") == seen:
        time.sleep(0.01)
    if library == "http":
        connection.getresponse().read()
    while time.monotonic() < until and not numbers.outcomes():
        time.sleep(0.01)
    assert numbers.outcomes() == {("GET", 200, None): 1}
    for each in (connection, pool, session):
        each.close()


ENDING = """
import sys
import requests, urllib3

session = requests.Session()
first = session.get(sys.argv[1], stream=True)
second = urllib3.PoolManager().request("GET", sys.argv[1], preload_content=False)
"""


READING = """
import asyncio, http.client, sys, threading
from urllib.parse import urlsplit
import aiohttp, botocore.session, httpx, requests, urllib3

def by_requests(url, then):
    for part in requests.get(url, stream=True).iter_content(1): then()

def by_urllib3(url, then):
    for part in urllib3.PoolManager().request("GET", url, preload_content=False).stream(1): then()

def by_http(url, then):
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", urlsplit(url).path)
    answer = connection.getresponse()
    while answer.read(1): then()

def by_httpx(url, then):
    with httpx.stream("GET", url) as answer:
        for part in answer.iter_raw(1): then()

def by_aiohttp(url, then):
    async def read():
        async with aiohttp.ClientSession() as session:
            for _ in range(2):  # A server's first call is not plain.
                answer = await session.get(url)
                await answer.content.read(1)
            then()
            await answer.content.read()
    asyncio.run(read())

def by_botocore(url, then):
    client = botocore.session.get_session().create_client(
        "s3", "eu-west-1", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    body = client.get_object(Bucket="b", Key="k")["Body"]
    while body.read(1): then()

for reader in (by_requests, by_urllib3, by_http, by_httpx, by_aiohttp, by_botocore):
    begun = threading.Event()
    threading.Thread(target=reader, args=(sys.argv[1], begun.set), daemon=True).start()
    assert begun.wait(30), reader
"""


def ended(program: str, url: str, folder: Path) -> Counted:
    """What a program has counted that ends by itself, and says nothing."""
    folder.chmod(0o700)
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / "bootstrap"),
        "MONAGENT_DIR": str(folder),
        "MONAGENT_EXPORTER": "off",
    }
    command = [sys.executable, "-c", program, url]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return counted(folder)


def test_an_answer_that_goes_with_the_interpreter_is_counted(
    server: Server, tmp_path: Path
) -> None:
    """Nobody has read it, and nobody runs any more when it goes."""
    found = ended(ENDING, server.url("/ok"), tmp_path)

    assert found.by("http.client.request.duration", "http.response.status_code") == {"200": 2.0}
    assert found.total(ACTIVE) == 0


def test_an_answer_that_a_daemon_thread_still_reads_at_the_end_is_counted(
    server: Server, tmp_path: Path
) -> None:
    """The thread is stopped where it is, and what it holds never goes."""
    found = ended(READING, server.url("/stall"), tmp_path)

    assert found.by("http.client.request.duration", "http.response.status_code") == {"200": 7.0}
    assert found.by("rpc.client.call.duration", "rpc.response.status_code") == {"OK": 1.0}
    assert found.total(ACTIVE) == 0
    assert found.total("rpc.client.active_calls") == 0


@pytest.mark.parametrize("path", ["/limited", "/away/limited"])
def test_a_hook_that_raises_for_the_status_leaves_the_call_its_answer(
    numbers: Numbers, server: Server, path: str
) -> None:
    """As the documentation of both shows hooks, with redirects too."""
    import httpx
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.hooks["response"] = [lambda answer, **_: answer.raise_for_status()]
        with pytest.raises(requests.HTTPError):
            session.get(server.url(path))
    hooks: Any = {"response": [lambda answer: answer.raise_for_status()]}
    with httpx.Client(trust_env=False, event_hooks=hooks, follow_redirects=True) as client:
        # httpx takes a redirect for a failure, too.
        with pytest.raises(httpx.HTTPStatusError):
            client.get(server.url(path))

    last = ("GET", 429, "429") if path == "/limited" else ("GET", 302, None)
    assert numbers.outcomes() == {("GET", 429, "429"): 1, last: 2 if path == "/limited" else 1}
    assert numbers.total("http.client.throttled") == (2 if path == "/limited" else 1)
    assert numbers.total(ACTIVE) == 0


def test_a_hook_that_makes_a_call_of_its_own_fails_with_its_own(
    numbers: Numbers, server: Server
) -> None:
    """The status of the one is not the other's."""
    import requests

    def ask_another(answer: Any, **_: Any) -> None:
        requests.get(server.url("/status/404")).raise_for_status()

    with requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.HTTPError):
            session.get(server.url("/ok"), hooks={"response": [ask_another]})

    assert numbers.outcomes() == {
        ("GET", 404, "404"): 1,
        ("GET", None, "requests.exceptions.HTTPError"): 1,
    }


def test_ports_that_begin_alike_are_told_apart(numbers: Numbers) -> None:
    """In URLs that end with them."""
    import requests
    import urllib3

    for port in (11, 12, 1):
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(urllib3.exceptions.HTTPError):
            urllib3.PoolManager().request("GET", url, retries=False)
        with requests.Session() as session:
            request = session.prepare_request(requests.Request("GET", url))
            request.url = url  # as it is to be sent
            with pytest.raises(requests.ConnectionError):
                session.send(request)

    series = numbers.series("http.client.request.duration")
    assert {one["server.port"]: sum(cells[1:]) for one, cells in series} == {1: 2, 11: 2, 12: 2}


def refusal(call: Any, *arguments: Any) -> tuple[type[BaseException], str]:
    """What a call is refused with."""
    with pytest.raises(Exception) as caught:
        call(*arguments)
    return caught.type, str(caught.value)


@pytest.mark.parametrize("given", [None, 5, [], b"http://host.example/"], ids=repr)
def test_what_is_no_request_is_for_the_library_to_refuse(numbers: Numbers, given: Any) -> None:
    """With its own error and no other, and nothing is said of it or stays active."""
    import asyncio
    import inspect
    import urllib.request

    import httpx
    import requests
    import tornado.httpclient
    import urllib3

    manager = urllib3.PoolManager()
    session, client = requests.Session(), httpx.Client()

    async def fetch(fetching: Any, url: Any) -> None:
        await fetching(tornado.httpclient.AsyncHTTPClient(), url)

    fetching = tornado.httpclient.AsyncHTTPClient.fetch
    for call, *arguments in (
        (urllib.request.OpenerDirector.open, urllib.request.build_opener(), given),
        (requests.Session.send, session, given),
        (httpx.Client.send, client, given),
        (urllib3.PoolManager.urlopen, manager, "GET", given),
        (requests.Session.send, session, requests.PreparedRequest()),
    ):
        bare = refusal(inspect.unwrap(call), *arguments)
        assert refusal(call, *arguments) == bare
    kind, text = refusal(asyncio.run, fetch(inspect.unwrap(fetching), given))
    assert refusal(asyncio.run, fetch(fetching, given)) == (kind, text)

    assert numbers.total(ACTIVE) == 0
    for each in (session, client):
        each.close()


@pytest.mark.parametrize(("code", "outcomes"), [("404", {("GET", 404, "404"): 1}), (None, {})])
def test_an_answer_that_a_handler_raises_has_any_code(
    numbers: Numbers, code: Any, outcomes: dict[Any, int]
) -> None:
    """A text, or none at all."""
    import urllib.error
    import urllib.request

    class Refusing(urllib.request.BaseHandler):
        handler_order = 1  # before the one that would look for the host

        def http_open(self, request: Any) -> Any:
            raise urllib.error.HTTPError(request.full_url, code, "no", None, None)  # type: ignore[arg-type]  # that is it

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Refusing).open("http://host.example/")
    caught.value.close()

    assert numbers.outcomes() == outcomes
    assert numbers.total(ACTIVE) == 0


def test_warnings_are_told_of_the_application(numbers: Numbers, server: Server) -> None:
    """By its line, as filters and `python` without an option want to know it."""
    import urllib3

    host = server.url("/ok").removeprefix("http://")
    with pytest.warns(FutureWarning) as caught:
        urllib3.PoolManager().urlopen("GET", host)

    assert [warning.filename for warning in caught] == [__file__]
