"""One way to call through every client, so that one table can judge them all.

Each makes a call, follows redirects, reads the answer to its end and gives its status.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Body = bytes | Iterable[bytes] | None


@dataclass(frozen=True)
class Ask:
    """What a client is to do."""

    url: str
    method: str = "GET"
    stream: bool = False
    timeout: float = 30.0
    body: Body = None

    @property
    def content(self) -> bytes | Iterator[bytes] | None:
        """The body; parts are an iterator, whose length nobody knows."""
        known = self.body is None or isinstance(self.body, bytes)
        return self.body if known else iter(self.body)  # type: ignore[return-value, arg-type]


def by_requests(ask: Ask) -> int:
    """A session, which reads bodies by itself unless told to stream."""
    import requests

    with requests.Session() as session:
        answer = session.request(
            ask.method, ask.url, stream=ask.stream, timeout=ask.timeout, data=ask.content,
            allow_redirects=True,
        )  # fmt: skip
        with answer:
            for _ in answer.iter_content(10_000):
                pass
        return answer.status_code


def by_urllib3(ask: Ask) -> int:
    """A pool manager that tries once."""
    import urllib3

    retries = urllib3.Retry(
        connect=0, read=0, redirect=5, status=0, respect_retry_after_header=False
    )
    with urllib3.PoolManager() as manager:
        answer = manager.request(
            ask.method, ask.url, body=ask.content, timeout=ask.timeout, retries=retries,
            preload_content=not ask.stream,
        )  # fmt: skip
        if ask.stream:
            for _ in answer.stream(10_000):
                pass
        return answer.status


def by_httpx(ask: Ask, httpx: Any = None) -> int:
    """A client without an event loop."""
    if httpx is None:
        import httpx

    with httpx.Client(follow_redirects=True, timeout=ask.timeout, trust_env=False) as client:
        if not ask.stream:
            return int(client.request(ask.method, ask.url, content=ask.content).status_code)
        with client.stream(ask.method, ask.url, content=ask.content) as answer:
            for _ in answer.iter_raw():
                pass
        return int(answer.status_code)


def by_httpx2(ask: Ask) -> int:
    """The successor of httpx."""
    import httpx2

    return by_httpx(ask, httpx2)


def by_async_httpx2(ask: Ask) -> int:
    """The same, asynchronous."""
    import httpx2

    return by_async_httpx(ask, httpx2)


def by_async_httpx(ask: Ask, httpx: Any = None) -> int:
    """A client in an event loop of its own."""
    if httpx is None:
        import httpx

    async def call() -> int:
        body = ask.body
        content = body if body is None or isinstance(body, bytes) else parts_of(body)
        async with httpx.AsyncClient(
            follow_redirects=True, timeout=ask.timeout, trust_env=False
        ) as client:
            if not ask.stream:
                found = await client.request(ask.method, ask.url, content=content)
                return int(found.status_code)
            async with client.stream(ask.method, ask.url, content=content) as answer:
                async for _ in answer.aiter_raw():
                    pass
            return int(answer.status_code)

    return asyncio.run(call())


def by_urllib(ask: Ask) -> int:
    """An opener of the standard library, which raises answers of 4xx and 5xx."""
    import urllib.error
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(ask.url, data=ask.content, method=ask.method)
    try:
        with opener.open(request, timeout=ask.timeout) as answer:
            return read(answer, ask.stream)
    except urllib.error.HTTPError as error:
        with error:
            error.read()
        return int(error.code)


def by_http_client(ask: Ask) -> int:
    """A connection of the standard library, which follows no redirects."""
    import http.client

    scheme, _, rest = ask.url.partition("://")
    authority, slash, path = rest.partition("/")
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = kind(authority, timeout=ask.timeout)
    try:
        connection.request(ask.method, slash + path, body=ask.content)
        with connection.getresponse() as answer:
            return read(answer, ask.stream)
    finally:
        connection.close()


def read(answer: Any, stream: bool) -> int:
    """Read a file-like answer, in parts or at once."""
    while answer.read(10_000 if stream else None) and stream:
        pass
    return int(answer.status)


def by_aiohttp(ask: Ask) -> int:
    """A session in an event loop of its own, which sends once, as aiohttp's own test client."""
    import aiohttp

    async def call() -> int:
        body = ask.body
        data = body if body is None or isinstance(body, bytes) else parts_of(body)
        timeout = aiohttp.ClientTimeout(sock_connect=ask.timeout, sock_read=ask.timeout)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            session._retry_connection = False
            async with session.request(ask.method, ask.url, data=data) as answer:
                if ask.stream:
                    async for _ in answer.content.iter_any():
                        pass
                else:
                    await answer.read()
                return answer.status

    return asyncio.run(call())


def by_tornado(ask: Ask, implementation: str = "simple_httpclient.SimpleAsyncHTTPClient") -> int:
    """Tornado's own client in an event loop of its own."""
    import tornado.httpclient
    from tornado.util import import_object

    async def parts(write: Any) -> None:
        for part in ask.content or ():
            await write(part)

    whole = ask.body is None or isinstance(ask.body, bytes)
    body: Any = {"body": ask.body} if whole else {"body_producer": parts}

    async def call() -> int:
        kind = import_object(f"tornado.{implementation}")
        client = kind(force_instance=True)
        try:
            answer = await client.fetch(
                tornado.httpclient.HTTPRequest(
                    ask.url,
                    ask.method,
                    **body,
                    streaming_callback=(lambda _: None) if ask.stream else None,
                    allow_nonstandard_methods=True,
                    connect_timeout=ask.timeout,
                    request_timeout=ask.timeout,
                ),
                raise_error=False,
            )
            return int(answer.code)
        finally:
            client.close()

    return asyncio.run(call())


def by_tornado_curl(ask: Ask) -> int:
    """Tornado's client on libcurl."""
    return by_tornado(ask, "curl_httpclient.CurlAsyncHTTPClient")


async def parts_of(body: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The parts of a body, asynchronously."""
    for part in body:
        yield part


def by_niquests(ask: Ask) -> int:
    """A session of requests' fork."""
    import niquests

    with niquests.Session() as session:
        session.trust_env = False
        answer = session.request(
            ask.method, ask.url, stream=ask.stream, timeout=ask.timeout, data=ask.content,
            allow_redirects=True,
        )  # fmt: skip
        for _ in answer.iter_content(10_000):
            pass
        answer.close()
        return int(answer.status_code)


def by_async_niquests(ask: Ask) -> int:
    """The same, asynchronous."""
    import niquests

    async def call() -> int:
        body = ask.body
        content = body if body is None or isinstance(body, bytes) else parts_of(body)
        async with niquests.AsyncSession() as session:
            session.trust_env = False
            answer = await session.request(
                ask.method, ask.url, stream=ask.stream, timeout=ask.timeout, data=content,
                allow_redirects=True,
            )  # fmt: skip
            if ask.stream:
                async for _ in await answer.iter_content(10_000):
                    pass
                await answer.close()
            return int(answer.status_code)

    return asyncio.run(call())


def by_pycurl(ask: Ask) -> int:
    """A handle of libcurl, which writes to a callback what it reads."""
    import pycurl

    handle = curl(pycurl.Curl(), ask)
    try:
        handle.perform()
        return int(handle.getinfo(pycurl.RESPONSE_CODE))
    finally:
        handle.close()


def by_many_pycurl(ask: Ask) -> int:
    """The same under a multi handle."""
    import pycurl

    many = pycurl.CurlMulti()
    handle = curl(pycurl.Curl(), ask)
    many.add_handle(handle)
    try:
        while many.perform()[1]:
            many.select(0.1)
        _, _, broken = many.info_read()
        if broken:
            raise pycurl.error(*broken[0][1:])
        return int(handle.getinfo(pycurl.RESPONSE_CODE))
    finally:
        many.remove_handle(handle)
        many.close()
        handle.close()


def curl(handle: Any, ask: Ask) -> Any:
    """A handle that is to do this."""
    import pycurl

    handle.setopt(pycurl.URL, ask.url)
    handle.setopt(pycurl.FOLLOWLOCATION, True)
    handle.setopt(pycurl.MAXREDIRS, 5)
    handle.setopt(pycurl.NOSIGNAL, True)
    handle.setopt(pycurl.NOPROXY, "*")
    handle.setopt(pycurl.TIMEOUT_MS, int(1000 * ask.timeout))
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    if ask.method == "HEAD":
        handle.setopt(pycurl.NOBODY, True)
    elif ask.body is not None:
        parts = iter([ask.body] if isinstance(ask.body, bytes) else ask.body)
        if isinstance(ask.body, bytes):
            handle.setopt(pycurl.INFILESIZE, len(ask.body))
            whole = ask.body
            taken = [0]

            def take(count: int) -> bytes:
                part = whole[taken[0] : taken[0] + count]
                taken[0] += len(part)
                return part

            handle.setopt(pycurl.READFUNCTION, take)
        else:
            handle.setopt(pycurl.READFUNCTION, lambda count: next(parts, b""))
        handle.setopt(pycurl.UPLOAD, True)
        handle.setopt(pycurl.HTTPHEADER, ["Expect:"])
        handle.setopt(pycurl.CUSTOMREQUEST, ask.method)
    elif ask.method != "GET":
        handle.setopt(pycurl.CUSTOMREQUEST, ask.method)
    return handle


CLIENTS: dict[str, Callable[[Ask], int]] = {
    "requests": by_requests,
    "urllib3": by_urllib3,
    "httpx": by_httpx,
    "httpx, async": by_async_httpx,
    "urllib.request": by_urllib,
    "http.client": by_http_client,
}
if importlib.util.find_spec("httpx2"):  # not beside the oldest versions
    CLIENTS |= {"httpx2": by_httpx2, "httpx2, async": by_async_httpx2}
if importlib.util.find_spec("pycurl"):
    CLIENTS |= {"pycurl": by_pycurl, "pycurl, multi": by_many_pycurl}
if importlib.util.find_spec("niquests"):  # in an environment of its own: see test_niquests.py
    CLIENTS |= {"niquests": by_niquests, "niquests, async": by_async_niquests}
if importlib.util.find_spec("aiohttp"):
    CLIENTS["aiohttp"] = by_aiohttp
if importlib.util.find_spec("tornado"):
    CLIENTS["tornado"] = by_tornado
    if importlib.util.find_spec("pycurl"):
        CLIENTS["tornado, curl"] = by_tornado_curl

CANNOT = {
    "http.client": {"follows redirects", "takes URLs"},
    "tornado, curl": {"sends parts", "asks once", "times writes"},
    "pycurl": {"asks once", "tells headers", "weighs parts", "times writes"},
    "pycurl, multi": {"asks once", "tells headers", "weighs parts", "times writes"},
    "tornado": {"times writes"},
    "aiohttp": {"times writes"},
    "niquests, async": {"times writes"},
}
"""What a client's API does not have, whatever we count."""


def able(what: str) -> dict[str, Callable[[Ask], int]]:
    """The clients that can do this."""
    return {name: call for name, call in CLIENTS.items() if what not in CANNOT.get(name, ())}
