"""Random conversations between servers and applications, as a program: prints what each side got
and what was recorded of it, as JSON. What takes time counts, how long it took is left out.

usage: python -m tests.http.conversations NUMBER
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from http import HTTPStatus
from types import CoroutineType, coroutine
from typing import Any

from monagent import metrics
from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.integrations import _asgi, _wsgi
from monagent.native import part
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

EVENTS = "text/event-stream; charset=utf-8"


class OtherDict(dict):  # type: ignore[type-arg]
    """A mapping that is no plain dictionary."""


class OtherBytes(bytes):
    """Bytes that are not plain."""


class Bottom(BaseException):
    """Not even an Exception."""


def told(value: object) -> str:
    """What it is, without where it lies in memory."""
    if isinstance(value, memoryview):
        return f"memoryview {bytes(value)!r}"
    return repr(value) if isinstance(value, (bytes, str, int)) else type(value).__name__


def chosen(chance: random.Random, usual: Any, *others: Any) -> Any:
    """Mostly the usual one."""
    return usual if chance.random() < 0.7 else chance.choice(others)


def without_ours(given: Any) -> Any:
    """A scope or an environ that middleware has made anew, of what it knows."""
    return {name: value for name, value in given.items() if name != KEY}


# -- ASGI ----------------------------------------------------------------------------------------


def scope_of(chance: random.Random) -> Any:
    """What a server tells of a request."""
    headers: Any = [(b"host", b"x")]
    if chance.random() < 0.15:
        headers += [(chance.choice((b"x-request-start", b"x-queue-start")), b"t=1")]
    headers = chosen(chance, headers, tuple(headers), iter(headers), [list(headers[0])], [])
    scope: Any = {
        "type": chosen(chance, "http", "http", "lifespan", "websocket"),
        "method": chosen(chance, "GET", "POST", "HEAD", "BREW", b"GET"),
        "scheme": chosen(chance, "http", "https", "gopher"),
        "path": "/",
        "headers": headers,
    }
    for name in list(scope):
        if name in ("method", "scheme") and chance.random() < 0.02:
            del scope[name]
    return chosen(chance, scope, OtherDict(scope))


def messages_of(chance: random.Random) -> list[Any]:
    """What an application sends."""
    kind = chosen(chance, b"text/plain", EVENTS.encode(), b"text/event-stream")
    name = chosen(chance, b"content-type", b"Content-Type", "content-type")
    headers: Any = [(name, kind), (b"content-length", chosen(chance, b"4", b"x", b"0"))]
    chance.shuffle(headers)
    headers = chosen(chance, headers, tuple(headers), iter(headers), [], None, [1], [[b"a", b"b"]])
    status = chosen(chance, 200, 204, 404, 500, 503, HTTPStatus.CREATED, True, "200", None)
    start: Any = {"type": "http.response.start", "status": status, "headers": headers}
    if chance.random() < 0.1:
        start["trailers"] = chance.choice((True, False, 1))
    if chance.random() < 0.1:
        del start[chance.choice(("status", "headers"))]
    said = [start]
    for last in range(chosen(chance, 1, 0, 2, 3), 0, -1):
        part: Any = {
            "type": "http.response.body",
            "more_body": chosen(chance, last > 1, 0, 1, None),
        }
        part["body"] = chosen(chance, b"x" * chance.choice((1, 4, 2000)), b"", bytearray(b"ab"),
                              OtherBytes(b"abc"), memoryview(b"abcd"), "text", None)  # fmt: skip
        if chance.random() < 0.1:
            del part[chance.choice(("body", "more_body"))]
        said.append(part)
    if chance.random() < 0.1:
        said.append({"type": chance.choice(("http.response.trailers", "odd", 7))})
    if chance.random() < 0.1:
        chance.shuffle(said)
    return [chosen(chance, one, OtherDict(one), one) for one in said]


def over_asgi(chance: random.Random) -> list[Any]:
    """One conversation; gives what both sides got."""
    got: list[Any] = []
    said = messages_of(chance)
    fails_at = chosen(chance, -1, 0, 1, 2)
    error = chance.choice((ValueError, Bottom, asyncio.CancelledError))
    breaks_at = chosen(chance, -1, -1, 0, 1)
    broken = chance.choice((OSError, RuntimeError, asyncio.CancelledError))
    route = chance.choice((None, "/a", "/b", "/c"))
    pauses = chance.random() < 0.3

    async def app(scope: Any, receive: Any, send: Any) -> Any:
        if route is not None and KEY in scope:
            scope[KEY].routed(route)
        if chance.random() < 0.3:
            got.append(repr(await receive()))
        for number, message in enumerate(said):
            if pauses:
                await pause()
            if number == fails_at:
                raise error
            got.append(repr(await send(message)))
        if fails_at >= len(said):
            raise error
        return "result"

    async def receive() -> Any:
        return {"type": "http.request", "body": b"12345", "more_body": False}

    async def send(message: Any) -> Any:
        got.append(repr([f"{name}: {told(value)}" for name, value in message.items()]))
        if len(got) > breaks_at >= 0:
            raise broken
        if message["type"] == "http.response.start" and not isinstance(message.get("status"), int):
            raise TypeError("status")  # as servers do
        return "sent"

    def called(scope: Any, receive: Any, send: Any) -> Any:
        if fails_at == 0:
            raise error
        return Waiting(app(scope, receive, send))

    async def served() -> None:
        try:
            answer: Any = measured(scope_of(chance), receive, send)
            got.append(repr(await answer))
        except BaseException as raised:
            got.append(repr(raised))

    async def anew(scope: Any, receive: Any, send: Any) -> Any:
        return await inner(without_ours(scope), receive, send)

    if chance.random() < 0.1:
        app, inner = anew, _asgi.measured(app)
    by_hand = chance.random() < 0.2
    measured = _asgi.measured(called if chance.random() < 0.1 and not by_hand else app)
    if by_hand:
        scope = scope_of(chance)
        drive(chance, measured(scope, receive, send), got)
        got.append(str(KEY in scope))
    else:
        asyncio.run(served())
    return got


@coroutine
def pause() -> Iterator[None]:
    """Has who drives the coroutine wait."""
    yield


class Waiting:
    """What can be awaited and is no coroutine."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Any:
        return self.coroutine.__await__()


def drive(chance: random.Random, answer: Any, got: list[Any]) -> None:
    """Some steps of a coroutine, from none to all, and an end that somebody else makes of it."""
    ends: list[Callable[[], object]] = [
        answer.close,
        lambda: None,
        lambda: answer.throw(chance.choice((ValueError, OSError, asyncio.CancelledError))("end")),
        lambda: answer.send("more"),
    ]
    end = chance.choice(ends)
    got.append(f"{inspect.iscoroutine(answer)} {isinstance(answer, CoroutineType)}")
    try:
        for _ in range(chance.choice((0, 1, 2, 99))):
            got.append(repr(answer.send(None)))
    except BaseException as raised:
        got.append(f"{type(raised).__name__} {raised}")
    try:
        got.append(repr(end()))
    except BaseException as raised:
        got.append(f"{type(raised).__name__} {raised}")


# -- WSGI ----------------------------------------------------------------------------------------


class Pieces:
    """An iterable of a class of the application's own."""

    def __init__(self, items: list[Any], fails: bool) -> None:
        self.items = iter(items)
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def close(self) -> None:
        """As PEP 3333 has it."""
        self.closed += 1
        if self.fails:
            raise ValueError("close")


class Bare:
    """One without `close`."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def environ_of(chance: random.Random) -> Any:
    """What a server tells of a request."""
    environ: Any = {
        "REQUEST_METHOD": chosen(chance, "GET", "POST", "HEAD", "BREW"),
        "wsgi.url_scheme": chosen(chance, "http", "https", "gopher"),
        "PATH_INFO": "/",
        "wsgi.input": io.BytesIO(b"12345"),
    }
    if chance.random() < 0.7:
        environ["SERVER_SOFTWARE"] = "server/1"
    if chance.random() < 0.4:
        lengths = ("5", "", "0", "-1", "x", "65536", "65537", "9" * 9, "9" * 12, "٣", None)
        environ["CONTENT_LENGTH"] = chance.choice(lengths)
    if chance.random() < 0.1:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    if chance.random() < 0.1:
        environ[chance.choice(("HTTP_X_REQUEST_START", "HTTP_X_QUEUE_START"))] = "t=1"
    for name in list(environ):
        if chance.random() < 0.01:
            del environ[name]
    return environ if chance.random() < 0.95 else OtherDict(environ)


def body_of(chance: random.Random) -> Any:
    """What an application returns."""
    items: list[Any] = []
    for _ in range(chosen(chance, 1, 0, 2, 3)):
        items.append(chosen(chance, b"x" * chance.choice((1, 4, 2000)), b"", bytearray(b"ab"),
                            OtherBytes(b"abc"), "text", None, 7))  # fmt: skip
    fails = chance.random() < 0.1

    def generated() -> Iterator[Any]:
        yield from items
        if fails:
            raise chance.choice((ValueError, Bottom, GeneratorExit))("body")

    return chance.choice(
        (items, tuple(items), generated(), Pieces(items, fails), Pieces(items, fails), Bare(items))
    )


def over_wsgi(chance: random.Random) -> list[Any]:
    """One conversation; gives what both sides got."""
    got: list[Any] = []
    route = chance.choice((None, "/a", "/b", "/c"))
    kind = chosen(chance, "text/plain", EVENTS, "text/event-stream")
    name = chosen(chance, "Content-Type", "content-type", "CONTENT-TYPE", b"Content-Type")
    headers: Any = [("X-A", "b"), (name, kind)]
    headers = chosen(chance, headers, tuple(headers), iter(headers), [], [["A", "b"]], [1], None)
    status = chosen(
        chance, "200 OK", "404 Not Found", "500 X", "204 No", "200", "20", "x", "٢٠٠ OK", 200
    )
    fails = chosen(chance, None, "before", "after")
    failure = chance.choice((ValueError, Bottom))
    named = chance.random() < 0.1
    again = chance.random() < 0.1
    writes = chance.random() < 0.1
    body = body_of(chance)

    def app(environ: Any, start_response: Callable[..., Any]) -> Any:
        if route is not None and KEY in environ:
            environ[KEY].routed(route)
        if fails == "before":
            raise failure
        if chance.random() < 0.3 and "wsgi.input" in environ:
            got.append(repr(environ["wsgi.input"].read()))
        if named:
            write = start_response(status=status, headers=headers, exc_info=None)
        else:
            write = start_response(status, headers)
        if again:
            start_response("500 Again", [("A", "b")], (ValueError, ValueError(), None))
        if writes:
            got.append(repr(write(b"written")))
        if fails == "after":
            raise failure
        return body

    def start_response(status: Any, headers: Any, exc_info: Any = None) -> Any:
        got.append(repr((status, type(headers).__name__, exc_info)))
        if not isinstance(status, str):
            raise TypeError("status")
        return lambda data: got.append(repr(data))

    def anew(environ: Any, start_response: Callable[..., Any]) -> Any:
        return inner(without_ours(environ), start_response)

    if chance.random() < 0.1:
        app, inner = anew, _wsgi.measured(app)
    measured = _wsgi.measured(app)
    environ = environ_of(chance)
    manner = chosen(chance, "all", "some", "none", "drop")
    for _ in range(1 if chance.random() < 0.95 else 2):  # Test clients use an environ again.
        answer: Any = None
        try:
            answer = measured(environ, start_response)
            if manner in ("all", "some"):
                for item in answer:
                    got.append(repr(item))
                    if manner == "some":
                        break
        except BaseException as raised:
            got.append(repr(raised))
        try:
            if manner != "drop" and hasattr(answer, "close"):
                got.append(repr(answer.close()))
        except BaseException as raised:
            got.append(repr(raised))
        del answer
    got.append(getattr(body, "closed", None))
    return got


def main(number: int) -> None:
    """Prints it."""
    warnings.simplefilter("ignore")  # of coroutines that nobody awaits
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))
    got: list[Any] = []
    for seed in range(number):
        chance = random.Random(seed)
        got.append(over_asgi(chance) if seed % 2 else over_wsgi(chance))
    file = ShardFile(shard.snapshot())
    values = file.values()
    recorded: dict[str, list[float]] = {}
    for one in file.series:
        cells = list(values[one.index : one.index + one.width])
        if one.instrument.unit == "s" and one.instrument.kind == "histogram":
            cells = [sum(cells[1:])]
        recorded[f"{one.instrument.name} {sorted(one.attributes.items())}"] = cells
    native = part is not None
    print(json.dumps({"native": native, "broken": http.broken, "got": got, "recorded": recorded}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
