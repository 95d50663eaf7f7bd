"""Whatever of ours fails, the calls of the application come out the same."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest

from monagent import guard
from monagent.conventions import _calls, _failures, _http_pools, _peers, http_client
from monagent.instrument import hooks
from monagent.integrations import (
    _http_client,
    _httpcore,
    _httpx,
    _httpx_body,
    _urllib3_body,
    _urllib3_pool,
)
from monagent.metrics import fused
from tests.http_client.numbers import Numbers
from tests.http_client.server import Server

PATHS = ("/ok", "/redirect/2", "/chunked", "/limited", "/short", "/close")

# These stand in for the library's or the application's own objects, as closures do elsewhere: what
# they call is sabotaged, they are not.
STAND_INS = ("Upload", "Body", "Items", "Catcher", "Catching")


def parts() -> Iterator[tuple[Any, str]]:
    """Every function and method of ours that a call may reach."""
    from monagent.integrations import httpcore, httpx, requests, urllib3

    modules: tuple[ModuleType, ...] = (
        http_client, _calls, _peers, _failures, _http_pools, fused, _http_client, _httpx_body,
        _urllib3_body, _urllib3_pool, _httpx, _httpcore, requests, urllib3, httpx, httpcore,
    )  # fmt: skip
    for module in modules:
        for name, found in vars(module).items():
            if getattr(found, "__module__", "") != module.__name__:
                continue
            if isinstance(found, FunctionType) and name != "failed":  # it is the guard
                yield module, name
            elif isinstance(found, type) and name not in STAND_INS:
                for method, function in vars(found).items():
                    # The interpreter calls __del__, and tells of its errors itself.
                    if isinstance(function, FunctionType) and method != "__del__":
                        yield found, method
    # In C where that was built.
    for module, name in (
        (requests, "by_url"), (requests, "ended_by_urllib3"), (urllib3, "by_url"),
        (urllib3, "ended_by_urllib3"), (urllib3, "is_within"), (_httpx, "by_httpx"),
        (_httpx, "ended_by_httpx"),
    ):  # fmt: skip
        yield module, name
    for name in ("busy", "idle"):
        yield _http_pools.Connection, name


class Callers:
    """Clients that live as long as the test, and what they get."""

    def __enter__(self) -> Callers:
        import httpx
        import requests
        import urllib3

        self.session = requests.Session()
        self.manager = urllib3.PoolManager()
        self.client = httpx.Client(verify=False, follow_redirects=True)
        self.asynchronous = httpx.AsyncClient(verify=False, follow_redirects=True)
        self.loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *raised: object) -> None:
        self.session.close()
        self.manager.clear()
        self.client.close()
        self.loop.run_until_complete(self.asynchronous.aclose())
        self.loop.close()

    def all(self, url: str) -> list[object]:
        """What every client gets, with and without streaming."""
        found: list[object] = []
        for call in (self.by_requests, self.by_urllib3, self.by_httpx, self.by_async_httpx):
            for stream in (False, True):
                try:
                    found.append(call(url, stream))
                except Exception as error:
                    found.append(type(error))
        return found

    def by_requests(self, url: str, stream: bool) -> object:
        """Body in parts."""
        with self.session.post(url, data=iter([b"a"]), stream=stream) as answer:
            return answer.status_code, answer.content

    def by_urllib3(self, url: str, stream: bool) -> object:
        """No retries of a status, which would wait."""
        answer = self.manager.request("GET", url, preload_content=not stream, retries=False)
        found = answer.status, answer.data
        answer.release_conn()
        return found

    def by_httpx(self, url: str, stream: bool) -> object:
        """Body in parts."""
        request = self.client.build_request("POST", url, content=iter([b"a"]))
        answer = self.client.send(request, stream=stream, follow_redirects=False)
        return answer.status_code, answer.read()

    def by_async_httpx(self, url: str, stream: bool) -> object:
        """Redirects followed."""

        async def call() -> object:
            request = self.asynchronous.build_request("GET", url)
            answer = await self.asynchronous.send(request, stream=stream)
            return answer.status_code, await answer.aread()

        return self.loop.run_until_complete(call())


@pytest.mark.slow
@pytest.mark.swallows
def test_a_sabotaged_agent_changes_no_call(
    numbers: Numbers,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    swallowed: list[Any],
) -> None:
    """Each function in turn raises at every call, under every client."""
    reached = []
    for number, (owner, name) in enumerate(parts()):
        failure = (RuntimeError, MemoryError, BaseException)[number % 3]

        def broken(*args: Any, failure: type[BaseException] = failure, **kwargs: Any) -> Any:
            raise failure("sabotage")

        guard.forget()
        swallowed.clear()
        with Callers() as callers, monkeypatch.context() as patch:
            expected = {path: callers.all(server.url(path)) for path in PATHS}
            assert swallowed == []
            patch.setattr(owner, name, broken)
            http_client.CALLS.clear()
            for path, wanted in expected.items():
                assert callers.all(server.url(path)) == wanted, (owner, name, path)
        reached += [name] if swallowed else []
        hooks.uninstall()
        hooks.install()

    assert len(reached) > 25, reached


@pytest.mark.swallows
def test_what_keeps_failing_is_taken_off(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the library is as it was without us."""
    import requests

    def broken(*args: Any) -> None:
        raise RuntimeError("sabotage")

    hooked = requests.Session.send
    monkeypatch.setattr(http_client.Calls, "__init__", broken)
    with requests.Session() as session:
        for _ in range(guard.LIMIT):
            session.get(server.url("/ok"))

    assert guard.off("requests")
    assert requests.Session.send is not hooked
    assert inspect.unwrap(hooked) is requests.Session.send
    monkeypatch.undo()
    requests.get(server.url("/ok"))
    assert numbers.outcomes() == {("GET", 200, None): 1}  # by urllib3, which is beneath
