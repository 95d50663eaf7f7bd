"""In-process answers of every sort behave as before and count as calls."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar
from unittest import mock

import pytest

from tests.http_client.numbers import ACTIVE, RECEIVED, Numbers


def test_transports_of_httpx_within_the_process(numbers: Numbers) -> None:
    """A mock, an ASGI and a WSGI application."""
    import httpx

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"made"})

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("202 Accepted", [])
        return [b"taken"]

    async def work() -> None:
        transport = httpx.ASGITransport(app=asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            assert (await client.get("/")).content == b"made"

    asyncio.run(work())
    with httpx.Client(transport=httpx.WSGITransport(app=wsgi), base_url="http://inside") as client:
        assert client.get("/").content == b"taken"
    mocked = httpx.MockTransport(lambda request: httpx.Response(203, text="mock"))
    with httpx.Client(transport=mocked) as client:
        assert client.get("http://inside/").text == "mock"

    assert numbers.outcomes() == {
        ("GET", 201, None): 1,
        ("GET", 202, None): 1,
        ("GET", 203, None): 1,
    }
    assert numbers.total(ACTIVE) == 0


def test_starlettes_test_client(numbers: Numbers) -> None:
    """It is a client of httpx with a transport of its own."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    async def home(request: Any) -> PlainTextResponse:
        return PlainTextResponse("home")

    with TestClient(Starlette(routes=[Route("/", home)])) as client:
        assert client.get("/").text == "home"

    assert numbers.outcomes() == {("GET", 200, None): 1}


def test_respx(numbers: Numbers) -> None:
    """It stands in for the transports of httpcore."""
    import httpx
    import respx

    with respx.mock:
        respx.get("http://host.example/").respond(204)
        respx.get("http://bad.example/").mock(side_effect=httpx.ConnectTimeout)
        assert httpx.get("http://host.example/").status_code == 204
        with pytest.raises(httpx.ConnectTimeout):
            httpx.get("http://bad.example/")

    assert numbers.outcomes() == {("GET", 204, None): 1, ("GET", None, "connect_timeout"): 1}


def test_responses(numbers: Numbers) -> None:
    """It stands in for the adapters of requests, with bodies of its own making."""
    import requests
    import responses

    with responses.RequestsMock() as mocked:
        mocked.get("http://host.example/", body=b"canned", status=200)
        mocked.get("http://bad.example/", body=requests.ConnectionError("no"))
        assert requests.get("http://host.example/").content == b"canned"
        with pytest.raises(requests.ConnectionError):
            requests.get("http://bad.example/")

    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", None, "connection_error"): 1}
    assert numbers.sizes(RECEIVED) == {("GET", 200, None): (1, 6)}


def test_requests_mock(numbers: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamed, too."""
    import requests
    import requests_mock

    # It keeps what it finds when it is imported, which pytest does before our hooks are there.
    monkeypatch.setattr(requests_mock.mocker, "_original_send", requests.Session.send)
    with requests_mock.Mocker() as mocked:
        mocked.get("http://host.example/", text="canned")
        assert requests.get("http://host.example/").text == "canned"
        with requests.get("http://host.example/", stream=True) as answer:
            assert b"".join(answer.iter_content(3)) == b"canned"

    assert numbers.outcomes() == {("GET", 200, None): 2}
    assert numbers.total(ACTIVE) == 0


def test_an_adapter_that_knows_nothing_of_urllib3(numbers: Numbers) -> None:
    """Its answers have any object for a body; a size that cannot be told is not made up."""
    import requests
    from requests.adapters import BaseAdapter

    class Canned(BaseAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            answer = requests.Response()
            answer.status_code = 200
            answer.request = request
            answer.url = request.url
            answer._content = b"canned"
            return answer

        def close(self) -> None:
            pass

    with requests.Session() as session:
        session.mount("mine://", Canned())
        assert session.get("mine://host/path").content == b"canned"
        assert session.get("mine://host/path", stream=True).content == b"canned"

    assert numbers.outcomes() == {("GET", 200, None): 2}
    assert numbers.sizes(RECEIVED) == {}


def test_answers_of_mocks_leave_no_call_active(numbers: Numbers) -> None:
    """Whatever they have for a status, a size or a header."""
    import requests
    import urllib3

    for status in (None, "200", HTTPStatus.OK, mock.MagicMock()):
        answer = mock.MagicMock(status_code=status, history=[], is_redirect=False, url="http://x/")
        answer.headers = {"retry-after": 5}
        with mock.patch("requests.adapters.HTTPAdapter.send", return_value=answer):
            assert requests.get("http://host.example/").status_code is status
        answer = mock.MagicMock(status=status, headers={})
        answer.get_redirect_location.return_value = None
        for pool in ("HTTPConnectionPool.urlopen", "HTTPConnectionPool._make_request"):
            with mock.patch(f"urllib3.connectionpool.{pool}", return_value=answer):
                made = urllib3.PoolManager().request("GET", "http://host.example", retries=False)
                assert made.status is status

    assert numbers.outcomes() == {("GET", 200, None): 6, ("GET", None, None): 6}
    assert numbers.total(ACTIVE) == 0
    assert numbers.sizes(RECEIVED) == {}


def test_a_status_of_the_standard_library_is_its_number(numbers: Numbers) -> None:
    """A member of an enumeration, whose text is another one until Python 3.11."""
    import httpx

    answers = httpx.MockTransport(lambda _: httpx.Response(HTTPStatus.TOO_MANY_REQUESTS))
    with httpx.Client(transport=answers) as client:
        client.get("http://host.example/")

    assert numbers.outcomes() == {("GET", 429, "429"): 1}
    throttled = numbers.values("http.client.throttled", "http.response.status_code")
    assert throttled == {(429,): 1.0}


class Replayed:
    """An answer of urllib3 as vcrpy has it."""

    status = 200
    headers: ClassVar[dict[str, str]] = {}

    def get_redirect_location(self) -> None:
        """None."""


def test_an_answer_that_is_not_urllib3s(numbers: Numbers) -> None:
    """It counts no bytes."""
    import urllib3

    with mock.patch("urllib3.connectionpool.HTTPConnectionPool.urlopen", return_value=Replayed()):
        assert urllib3.PoolManager().request("GET", "http://host.example/").status == 200

    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.total(ACTIVE) == 0
