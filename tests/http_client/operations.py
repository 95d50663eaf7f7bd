"""Random operations of HTTP clients' integrations, as a program: prints what each function gave and
what was recorded, as JSON. What is timed by the clock is counted, its seconds are left out.

usage: python -m tests.http_client.operations NUMBER
"""

from __future__ import annotations

import json
import os
import random
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

from monagent import metrics
from monagent.clock import perf_counter
from monagent.conventions import _http_pools, http_client
from monagent.conventions._calls import (
    by_httpx,
    by_url,
    ended,
    ended_by_httpx,
    ended_by_urllib3,
    followed,
)
from monagent.conventions._peers import of
from monagent.conventions.http_client import (
    CALLS,
    LATEST,
    LATEST_BY_PARTS,
    Calls,
    first_by_url,
    number,
)
from monagent.integrations import _aiohttp_body, _http_client, _httpx
from monagent.native import part
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

TIMED = "GET", "POST", "get", "BREW"
UNTIMED = "PUT", "DELETE"
"""Their durations are made up, so that their sums can be compared."""


class OtherText(str):
    """Text that is not plain."""


class OtherInt(int):
    """A number that is not plain, as http.HTTPStatus is."""


class Parts(NamedTuple):
    """The parts of a URL as httpx has them."""

    scheme: str
    userinfo: str
    host: str
    port: int | None
    path: str


class OtherParts(NamedTuple):
    """The same in another order."""

    port: int | None
    host: str
    userinfo: str
    scheme: str
    path: str


class Content:
    """A body that is still to come, as aiohttp's are."""

    def __init__(self, size: Any) -> None:
        self.total_bytes = size
        self.error: BaseException | None = None
        self.waiting: list[Any] = []

    def on_eof(self, callback: Any) -> None:
        self.waiting.append(callback)

    def exception(self) -> BaseException | None:
        return self.error


class ClientConnectionError(Exception):
    """What aiohttp gives a body that the application has closed."""


KEPT: list[Content] = []
"""Bodies that take longer than their calls."""


def chosen(chance: random.Random, usual: Any, *others: Any) -> Any:
    """Mostly the usual one."""
    return usual if chance.random() < 0.7 else chance.choice(others)


def told(value: object) -> str:
    """What it is, without where it lies in memory."""
    plain = (str, int, type(None), bool)
    return repr(value) if isinstance(value, plain) else type(value).__name__


def status_of(chance: random.Random) -> Any:
    """An answer's status, or what a stand-in has for one."""
    odd = (404, 503, 304, 0, -5, True, "200", None, 200.0, 2**70, OtherInt(200))
    return chosen(chance, 200, chance.randrange(100, 600), *odd)


def size_of(chance: random.Random) -> Any:
    """Bytes of a body."""
    return chosen(chance, 0, -1, 5, 1000, 1024, 1025, 10**6, 10**12)


def begins(chance: random.Random, method: str) -> Any:
    """A call, begun; None where that raised."""
    host = f"host{chance.randrange(chosen(chance, 8, 400))}"
    try:
        if chance.random() < 0.5:
            url = f"http{chance.choice(('', 's'))}://{host}{chance.choice(('', ':81', '/', '/a'))}"
            given = chosen(chance, url, OtherText(url), url + "/é/b", "http:/")
            calls = by_url(CALLS, LATEST, given, method)
            return first_by_url(given, method) if calls is None else calls
        fields: dict[str, Any] = {"scheme": "http", "host": host}
        fields["port"] = chance.choice((None, 81))
        if chance.random() < 0.6:
            kind = chosen(chance, Parts, OtherParts)
            parts: Any = kind(userinfo="", path="/", **fields)
        else:
            parts = SimpleNamespace(**fields)
        if chance.random() < 0.1:
            parts = SimpleNamespace(scheme="http", host=host)
        request = SimpleNamespace(url=SimpleNamespace(_uri_reference=parts, **fields))
        request.method = method
        if chance.random() < 0.1:
            request.url._uri_reference = [object()]
        if chance.random() < 0.1:
            request.method = chance.choice(([], 5, None))
        calls = by_httpx(CALLS, LATEST_BY_PARTS, request)
        return _httpx.first(request) if calls is None else calls
    except Exception as error:
        return told(error)


def ends(chance: random.Random, calls: Calls, method: str) -> Any:
    """The answer of it is there."""
    calls.look = chosen(chance, 1e18, 0.0)
    status, sent, received = status_of(chance), size_of(chance), size_of(chance)
    begun = perf_counter() - chance.choice((-60.0, -60.0, 0.11, 2.6, 1000.0))  # far from edges
    try:
        if method not in TIMED:
            odd = (0.5, 2**70, None)
            given = chance.choice((0.0, 0.001, 0.02, 7, 5000.0, -1.0)), sent, received
            if chance.random() < 0.05:
                given = given[0], chance.choice(odd), received
            calls[number(status)](*given)
            return "made up"
        way = chance.randrange(3)
        if way == 0:
            done = ended(calls, begun, status, sent, received)
        elif way == 1:
            raw = SimpleNamespace(_fp_bytes_read=received, chunked=False)
            if chance.random() < 0.1:
                raw.chunked = chance.choice((True, None, 0))
            if chance.random() < 0.1:
                raw._fp_bytes_read = chance.choice((None, 1.5, True, OtherInt(3)))
            if chance.random() < 0.1:
                del raw.chunked
            sent = abs(sent) % 5000
            body = chosen(chance, None, b"x" * sent, "x" * sent)
            sent = len(body or b"")
            done = ended_by_urllib3(calls, begun, status, raw, body)
        else:
            sent = abs(sent) % 5000
            content = chosen(chance, b"x" * sent, bytearray(b"x" * sent), None)
            request = SimpleNamespace(_content=content)
            if chance.random() < 0.1:
                del request._content
            history = chosen(chance, [], [1])
            response = SimpleNamespace(
                status_code=status, history=history, _num_bytes_downloaded=received
            )
            done = ended_by_httpx(calls, begun, request, response)
        if not done:
            calls[number(status)](perf_counter() - begun, sent, received)
        return "ended"  # Of the first of its status C says that it is not plain.
    except Exception as error:
        return told(error)


def forked() -> None:
    """As if this were a child from now on."""
    _http_pools.forked()
    http_client._forks[0] += 1


def follows(chance: random.Random, calls: Calls) -> Any:
    """The answer of it is there without its body, which comes, breaks off or is let go of."""
    calls.look = chosen(chance, 1e18, 0.0)
    status, size = status_of(chance), chosen(chance, 0, 5, 1024, 1025, 10**6, True, 2**70, -1)
    begun, content = perf_counter() - 1000.0, Content(size)
    if not followed(_aiohttp_body.Awaited, calls, begun, status, content):
        response = SimpleNamespace(headers={}, content=content)
        streamed = calls.streams(perf_counter() - begun, number(status), 0)
        _aiohttp_body.Body(response, streamed)
        del streamed
    if chance.random() < 0.1:
        KEPT.append(content)
        if len(KEPT) < 5:
            return "kept"
        content = KEPT.pop(0)
    if chance.random() < 0.05:
        forked()
    what = chance.choice(("eof", "eof", "twice", "broken", "closed", "dropped"))
    if what in ("eof", "twice"):
        for callback in content.waiting * (1 + (what == "twice")):
            callback()
            callback = None
    if what in ("broken", "closed"):
        content.error = (OSError if what == "broken" else ClientConnectionError)()
    content.waiting.clear()
    return what


def connects(chance: random.Random, connections: list[Any]) -> Any:
    """One of the connections changes, or another one is opened."""
    if not connections or chance.random() < 0.2:
        connections.append(_http_pools.Connection(of("http", f"host{chance.randrange(5)}", None)))
        return None
    connection = chance.choice(connections)
    if chance.random() < 0.02:
        forked()
    what = chance.choice(("busy", "idle", "busy", "idle", "busy", "idle", "close", "drop"))
    if what == "drop":
        connections.remove(connection)
    else:
        getattr(connection, what)()
    return what, connection._state


def called(chance: random.Random) -> Any:
    """Who is it that calls?"""

    def asked() -> Any:
        library = chance.choice(("urllib3", "requests"))
        codes = [beneath.__code__, between.__code__, called.__code__, main.__code__]
        inner = {id(code): library for code in codes if chance.random() < 0.4}
        senders = {"requests": id(chance.choice(codes))} if chance.random() < 0.7 else {}
        outer = {dict: library} if chance.random() < 0.5 else {}
        headers: Any = chance.choice(({}, [], None))
        return _http_client.is_within(headers, chance.choice((True, False)), outer, inner, senders)

    def between(deep: int) -> Any:
        return between(deep - 1) if deep else asked()

    def beneath() -> Any:
        return between(chance.choice((0, 1, 3, 4, 18, 25)))

    return beneath()


def cells(shard: Shard) -> dict[str, list[float]]:
    """All series; of those that the clock has timed the buckets alone."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    recorded: dict[str, list[float]] = {}
    for one in file.series:
        found = list(values[one.index : one.index + one.width])
        if one.instrument.name == _http_pools.LIFETIME.name:
            found = [sum(found[1:])]
        elif one.instrument.unit == "s" and one.attributes["http.request.method"] not in UNTIMED:
            found = found[1:]
        recorded[f"{one.instrument.name} {sorted(one.attributes.items())}"] = found
    return recorded


def operate(chance: random.Random, connections: list[Any]) -> Any:
    """One operation, or a whole call."""
    kind = chance.random()
    if kind < 0.2:
        return connects(chance, connections)
    if kind < 0.4:
        return called(chance)
    method = chance.choice(TIMED + UNTIMED)
    calls = begins(chance, method)
    if not isinstance(calls, Calls):
        return calls
    if method in TIMED and chance.random() < 0.2:
        return calls.method, follows(chance, calls)
    return calls.method, ends(chance, calls, method)


def in_a_child(shard: Shard, connections: list[Any]) -> Any:
    """What a forked child records, which begins with nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        chance = random.Random(-1)
        got = [operate(chance, connections) for _ in range(300)]
        recorded = {name: found for name, found in cells(shard).items() if any(found)}
        with open(writing, "w") as pipe:
            json.dump([got, recorded], pipe)
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        found = json.load(pipe)
    os.waitpid(child, 0)
    return found


def main(times: int) -> None:
    """Prints it."""
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))
    connections: list[Any] = []
    got = [operate(random.Random(seed), connections) for seed in range(times)]
    child = in_a_child(shard, connections)
    after = [operate(random.Random(seed), connections) for seed in range(100)]
    print(
        json.dumps(
            {
                "native": part is not None,
                "got": [got, child, after, len(CALLS)],
                "recorded": cells(shard),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
