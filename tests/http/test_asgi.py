"""Bare ASGI applications: every request counts once, with its status, sizes and true duration."""

from __future__ import annotations

import asyncio
import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from monagent import settings
from monagent.integrations._asgi import measured
from tests.http.asgi import exchange, run, scope
from tests.http.numbers import Numbers

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"ok"}


async def hello(_scope: Any, receive: Any, send: Any) -> None:
    """Answers at once."""
    await send(START)
    await send(END)


def test_an_answered_request_is_in_every_metric_once(numbers: Numbers) -> None:
    """Duration, sizes and first byte have one each; nobody is active."""
    run(measured(hello))

    for name in (
        "http.server.request.duration",
        "http.server.request.body.size",
        "http.server.response.body.size",
        "http.server.time_to_first_byte",
    ):
        assert numbers.counts(name) == {"GET unmatched 200": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 2}
    assert numbers.total("http.server.active_requests") == 0


def test_sizes_are_the_bytes_that_passed(numbers: Numbers) -> None:
    """A body in pieces each way, and nothing for what HEAD or 304 leave out."""

    async def echo(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({**message, "type": "http.response.body"})

    app = measured(echo)
    run(app, method="POST", body=[b"a" * 1000, b"b" * 500])
    run(measured(hello), method="HEAD")

    assert numbers.sums("http.server.request.body.size") == {"unmatched": 1500}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 1500}
    assert numbers.counts("http.server.response.body.size") == {
        "POST unmatched 200": 1,
        "HEAD unmatched 200": 1,
    }


def test_a_background_task_is_no_part_of_the_request(numbers: Numbers) -> None:
    """The request is recorded, and no longer active, while the application goes on."""
    seen = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await hello(_scope, receive, send)
        seen.append((numbers.counts(), numbers.total("http.server.active_requests")))

    run(measured(app))

    assert seen == [({"GET unmatched 200": 1}, 0)]


def test_a_stream_lasts_to_its_last_byte(numbers: Numbers) -> None:
    """Time to first byte ends with the first piece, the duration with the last."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"b"})

    run(measured(app))
    first = numbers.sums("http.server.time_to_first_byte")["unmatched"]
    whole = numbers.sums("http.server.request.duration")["unmatched"]

    assert whole - first > 0.045  # a loop may wake a millisecond early


@pytest.mark.parametrize(
    ("sent", "recorded"),
    [
        ([], "GET unmatched 500 ZeroDivisionError"),
        ([START], "GET unmatched 200 ZeroDivisionError"),
        ([{**START, "status": 503}, END], "GET unmatched 503 ZeroDivisionError"),
        ([START, END], "GET unmatched 200"),
    ],
    ids=["before headers", "after headers", "after an error page", "after the last byte"],
)
def test_an_exception_has_its_status_and_its_type(
    numbers: Numbers, sent: list[Any], recorded: str
) -> None:
    """500 before the headers, the sent status after them, and no error once all is sent."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(measured(app))

    assert caught.traceback[-1].name == "app"
    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize(
    ("sent", "recorded"),
    [
        ([], "GET unmatched 500 incomplete_response"),
        ([START], "GET unmatched 200 incomplete_response"),
        ([{**START, "status": 502}, END], "GET unmatched 502 502"),
    ],
)
def test_an_unfinished_or_failed_answer_has_an_error_type(
    numbers: Numbers, sent: list[Any], recorded: str
) -> None:
    """An application may return without an answer; a 5xx without an exception is its own type."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)

    run(measured(app))

    assert numbers.counts() == {recorded: 1}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups of exceptions")
def test_an_error_in_a_task_group_is_that_error(numbers: Numbers) -> None:
    """Quart answers in one since 0.23; of several errors none is the one."""
    group: Any = vars(builtins)["ExceptionGroup"]

    def app(*errors: Exception) -> Any:
        async def fails(_scope: Any, receive: Any, send: Any) -> None:
            raise group("tasks", [group("inner", errors)])

        return measured(fails)

    for errors in ([KeyError()], [KeyError(), ValueError()]):
        with pytest.raises(group):
            run(app(*errors))

    assert numbers.counts() == {
        "GET unmatched 500 KeyError": 1,
        "GET unmatched 500 ExceptionGroup": 1,
    }


@pytest.mark.parametrize(
    ("gone_after", "recorded"),
    [(0, "GET unmatched 499 client_disconnected"), (1, "GET unmatched 200 client_disconnected")],
)
def test_a_client_that_leaves_is_an_error_of_its_own(
    numbers: Numbers, gone_after: int, recorded: str
) -> None:
    """499 when it left before the headers, also when the application answers 500 to nobody."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        if gone_after:
            await send(START)
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({**START, "status": 500})
        await send(END)

    run(measured(app), gone_after=gone_after)

    assert numbers.counts() == {recorded: 1}


def test_a_disconnect_that_follows_the_last_byte_is_none(numbers: Numbers) -> None:
    """Some servers say it while the application still waits for its last `send`."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        listening = asyncio.create_task(receive())
        await send(END)
        await listening

    run(measured(app), gone_after=2, messages=[])

    assert numbers.counts() == {"GET unmatched 200": 1}


def test_a_send_that_fails_is_a_client_that_left(numbers: Numbers) -> None:
    """Servers of newer specifications raise OSError."""

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    async def main() -> None:
        await measured(hello)(scope(), None, send)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="gone"):
        asyncio.run(main())

    assert numbers.counts() == {"GET unmatched 200 client_disconnected": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_cancelled_request_is_counted_and_not_active(numbers: Numbers) -> None:
    """A server that stops cancels what runs."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(exchange(measured(app)))
        await asyncio.sleep(0)
        assert numbers.total("http.server.active_requests") == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert numbers.counts() == {"GET unmatched 500 asyncio.exceptions.CancelledError": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_unknown_methods_and_schemes_are_one_each(numbers: Numbers) -> None:
    """Whatever scanners send."""
    app = measured(hello)
    for number in range(20):
        run(app, method=f"BREW{number}")
        run(app, scheme=f"coffee{number}")

    assert numbers.counts() == {"_OTHER unmatched 200": 20, "GET unmatched 200": 20}
    assert len(numbers.series("http.server.request.duration")) == 2


def test_the_outer_of_two_layers_records(numbers: Numbers) -> None:
    """A measured application in a measured application is one request."""
    run(measured(measured(hello)))

    assert numbers.counts() == {"GET unmatched 200": 1}


def test_extensions_of_asgi_count_their_bytes(numbers: Numbers, tmp_path: Path) -> None:
    """Files by path, files by descriptor, and trailers that end a response."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 300)

    async def by_path(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(file)})

    async def by_descriptor(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        with file.open("rb") as opened:
            message = {"type": "http.response.zerocopysend", "file": opened}
            await send({**message, "offset": 100, "count": 50, "more_body": True})
            await send({**message, "offset": 100})

    async def with_trailers(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": []})
        await send({**START, "trailers": True})
        await send(END)
        assert numbers.total("http.server.active_requests") == 1
        await send({"type": "http.response.trailers", "headers": []})
        assert numbers.total("http.server.active_requests") == 0

    for app in (by_path, by_descriptor, with_trailers):
        run(measured(app))

    assert numbers.counts() == {"GET unmatched 200": 3}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 300 + 50 + 200 + 2}


def test_messages_reach_application_and_server_as_they_are(numbers: Numbers) -> None:
    """The same objects, in the same order, and nothing else."""
    given = [{"type": "http.request", "body": b"\xff", "more_body": False, "extra": object()}]
    sent = [{**START, "extra": object()}, {"type": "unheard.of"}, END]
    got = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        got.append(await receive())
        for message in sent:
            await send(message)

    assert all(
        a is b
        for a, b in zip(
            run(measured(app), messages=given, headers=[(b"a", b"\xff")]), sent, strict=True
        )
    )
    assert got[0] is given[0]


def test_lifespan_and_unknown_scopes_pass(numbers: Numbers) -> None:
    """They are no requests."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((dict(scope), receive, send))

    async def main() -> None:
        for kind in ("lifespan", "other"):
            await measured(app)({"type": kind}, "r", "s")  # type: ignore[arg-type]

    asyncio.run(main())

    assert seen == [({"type": kind}, "r", "s") for kind in ("lifespan", "other")]
    assert numbers.counts() == {}


@pytest.mark.parametrize(
    ("pattern", "path", "counted"),
    [("health", "/healthz", 0), ("^/health$", "/healthz", 1), ("testserver/a", "/a", 0)],
)
def test_excluded_urls_are_not_counted_by_any_layer(
    numbers: Numbers, pattern: str, path: str, counted: int
) -> None:
    """The pattern is searched in the path and in the whole URL."""
    settings.use(settings.load({"MONAGENT_EXCLUDED_URLS": f"never,{pattern}"}))
    run(measured(measured(hello)), path)

    assert sum(numbers.counts().values()) == counted


@pytest.mark.parametrize("pattern", ["^/healthz$", "^/api/healthz$"])
def test_an_excluded_url_has_its_root_path_or_not(numbers: Numbers, pattern: str) -> None:
    """uvicorn puts it in front of what the client has asked for."""
    settings.use(settings.load({"MONAGENT_EXCLUDED_URLS": pattern}))
    run(measured(hello), "/api/healthz", root_path="/api")

    assert numbers.counts() == {}


def test_switching_the_family_off_leaves_applications_alone(numbers: Numbers) -> None:
    """The very application comes back."""
    settings.use(settings.load({"MONAGENT_DISABLE": "http"}))

    assert measured(hello) is hello


@pytest.mark.parametrize("scope", [{"type": "http"}, {"type": "http", "method": "GET"}, {}])
def test_odd_scopes_get_the_same_answer(numbers: Numbers, scope: Any) -> None:
    """Without headers, server, app, method or type, as tests have them: nothing of ours fails."""

    async def main() -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await measured(hello)(scope, None, send)  # type: ignore[arg-type]
        return sent

    assert asyncio.run(main()) == [START, END]


def test_a_hundred_requests_at_once_are_kept_apart(numbers: Numbers) -> None:
    """Sizes and statuses under concurrency."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        size = int(scope["path"][1:])
        await send({**START, "status": 200 + size % 2})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"x" * size})

    async def main() -> None:
        wrapped = measured(app)
        await asyncio.gather(*(exchange(wrapped, path=f"/{number}") for number in range(100)))

    asyncio.run(main())

    assert numbers.counts() == {"GET unmatched 200": 50, "GET unmatched 201": 50}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": sum(range(100))}
