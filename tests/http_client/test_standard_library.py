"""urllib.request and http.client: what they have beyond the table, and what they cost others."""

from __future__ import annotations

import gc
import http.client
import inspect
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from monagent import guard
from monagent.conventions import http_client
from monagent.instrument import hooks
from monagent.integrations import _http_answer
from monagent.integrations import http as http_integration
from monagent.integrations import urllib as urllib_integration
from tests.http_client.numbers import ACTIVE, RECEIVED, SENT, Numbers
from tests.http_client.server import Server

RESENDS = "http.client.request.resends"

AWAKE = """
import json, sys
from monagent import awaiting
begun = []
awaiting.wait(lambda: begun.append(1))
import http, urllib.parse, urllib.error, http.cookies
before = len(begun)
__import__(sys.argv[1])
print(json.dumps([before, len(begun)]))
"""

HOOKED = """
import json, sys
from monagent.instrument import hooks
hooks.install()
import http, urllib.parse
print(json.dumps([name for name in sys.modules if name.startswith("monagent.integrations.")]))
"""


def run(program: str, *arguments: str) -> Any:
    """What a program prints, as JSON."""
    command = [sys.executable, "-S", "-c", program, *arguments]
    environ = {"PYTHONPATH": str(Path(hooks.__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", ["http.client", "urllib.request"])
def test_only_the_modules_with_clients_wake_monagent(module: str) -> None:
    """Half of all programs import `urllib.parse` or `http` for something else."""
    assert run(AWAKE, module) == [0, 1]


def test_parsing_urls_loads_no_integration() -> None:
    """Nor does it in a program that is awake."""
    assert run(HOOKED) == []


def test_urllib3_passes_by(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends without the one function that is wrapped, or is known by its connections."""
    import urllib3

    asked: list[object] = []
    told = http_integration.counted

    def counted(kind: type) -> bool:
        asked.append(kind)
        return told(kind)

    monkeypatch.setattr(http_integration, "counted", counted)
    http_integration._kinds.clear()
    with urllib3.PoolManager() as manager:
        for _ in range(3):
            manager.request("GET", server.url("/ok"))

    assert numbers.outcomes() == {("GET", 200, None): 3}
    assert len(asked) == (0 if version("urllib3").startswith("2") else 1)


def test_a_kept_connection_makes_calls_one_by_one(numbers: Numbers, server: Server) -> None:
    """With bodies read in every way there is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for path in ("/ok", "/chunked", "/gzip"):
        connection.request("GET", path)
        answer = connection.getresponse()
        while answer.read(4):
            pass
    connection.request("GET", "/ok")
    answer = connection.getresponse()
    assert answer.read1() + answer.read() == b"hello"
    connection.request("GET", "/chunked")
    assert connection.getresponse().readline() == b"onethreeseventeen"
    connection.request("GET", "/ok")
    answer = connection.getresponse()
    assert [*answer, answer.read()] == [b"hello", b""]
    connection.request("GET", "/ok")
    buffer = bytearray(100)
    assert connection.getresponse().readinto(buffer) == 5
    connection.request("GET", "/ok")
    assert io.TextIOWrapper(connection.getresponse()).read() == "hello"
    connection.close()

    ((outcome, (count, received)),) = numbers.sizes(RECEIVED).items()
    assert outcome == ("GET", 200, None)
    assert (count, received) == (8, 5 * 5 + 2 * 17 + len(server_packed()))
    assert numbers.total(ACTIVE) == 0


def server_packed() -> bytes:
    """What /gzip answers."""
    from tests.http_client.server import PACKED

    return PACKED


def test_a_reader_without_its_answer_reads_on(numbers: Numbers, server: Server) -> None:
    """As `iter(partial(urlopen(url).read, 4), b"")` has it."""
    read = urllib.request.urlopen(server.url("/chunked")).read

    assert b"".join(iter(partial(read, 4), b"")) == b"onethreeseventeen"
    assert numbers.sizes(RECEIVED) == {("GET", 200, None): (1, 17)}


def test_an_answer_goes_with_its_last_reference(numbers: Numbers, server: Server) -> None:
    """And its connection with it; no circle waits for the collector."""
    gc.disable()
    try:
        answer = urllib.request.urlopen(server.url("/big"))
        gone = weakref.ref(answer)
        del answer
        assert gone() is None
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/big")
        left, kept = weakref.ref(connection), connection.sock
        del connection
        assert left() is None
        kept.close()
    finally:
        gc.enable()

    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", None, "cancelled"): 1}
    assert numbers.total(ACTIVE) == 0


def test_a_connection_that_is_closed_has_no_call_under_way(
    numbers: Numbers, server: Server
) -> None:
    """As of those who do not want to know the answer; one that was asked for is read on."""
    connections = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(3)]
    for connection in connections:
        connection.request("GET", "/ok")
        connection.close()
        connection.close()
    assert numbers.outcomes() == {("GET", None, "cancelled"): 3}
    assert numbers.total(ACTIVE) == 0

    connection.request("GET", "/close")
    answer = connection.getresponse()
    connection.close()
    assert numbers.total(ACTIVE) == 1
    assert answer.read() == b"hello"
    assert numbers.outcomes() == {("GET", None, "cancelled"): 3, ("GET", 200, None): 1}
    assert numbers.total(ACTIVE) == 0


def test_an_answer_that_is_closed_early_tells_what_was_read(
    numbers: Numbers, server: Server
) -> None:
    """It was closed by choice, so nothing has failed."""
    with urllib.request.urlopen(server.url("/big")) as answer:
        answer.read(1_000)

    assert numbers.sizes(RECEIVED) == {("GET", 200, None): (1, 1_000)}


def test_urlopen_counts_and_http_client_beneath_does_not(numbers: Numbers, server: Server) -> None:
    """With redirects, which are requests of their own there."""
    with urllib.request.urlopen(server.url("/redirect/3")) as answer:
        answer.read()
    body = urllib.request.Request(server.url("/upload"), data=iter([b"ab", b"c"]), method="PUT")
    with urllib.request.urlopen(body) as answer:
        answer.read()

    assert numbers.outcomes() == {("GET", 200, None): 1, ("PUT", 200, None): 1}
    assert numbers.values(RESENDS, "reason") == {("redirect",): 3.0}
    assert numbers.sizes(SENT)["PUT", 200, None] == (1, 3)


def test_a_request_that_is_opened_again_is_a_call_again(numbers: Numbers, server: Server) -> None:
    """The object bears marks of its first call, also of one that was redirected."""
    request = urllib.request.Request(server.url("/redirect/1"))
    for _ in range(3):
        with urllib.request.urlopen(request) as answer:
            answer.read()

    assert numbers.outcomes() == {("GET", 200, None): 3}
    assert numbers.values(RESENDS, "reason") == {("redirect",): 3.0}


def test_a_password_that_is_sent_when_asked_for_is_part_of_the_call(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opener sends the same request once more."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, server.url("/"), "me", "secret")
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    with opener.open(server.url("/guarded")) as answer:
        assert answer.read() == b"hello"

    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.values(RESENDS, "reason") == {("auth",): 1.0}


def test_other_schemes_are_no_calls(numbers: Numbers, tmp_path: Path) -> None:
    """urllib opens files and data as well."""
    file = tmp_path / "file"
    file.write_text("hello")
    for url in (f"file://{file}", "data:,hello"):
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"hello"

    assert numbers.outcomes() == {}


def test_hosts_that_begin_alike_are_told_apart(numbers: Numbers) -> None:
    """Also in URLs that end with the host."""

    class Mine(urllib.request.HTTPHandler):
        def http_open(self, request: Any) -> Any:
            raise urllib.error.URLError(ConnectionRefusedError(request.host))

    opener = urllib.request.build_opener(Mine, urllib.request.ProxyHandler({}))
    for url in ("http://host.example", "http://host.examples", "http://host.example?x=/"):
        with pytest.raises(urllib.error.URLError):
            opener.open(url)

    series = numbers.series("http.client.request.duration")
    found = {one["server.address"]: sum(cells[1:]) for one, cells in series}
    assert found == {"host.example": 2, "host.examples": 1}


def test_patched_functions_look_as_before(numbers: Numbers) -> None:
    """Names, signatures, kinds; and an answer's type."""
    for function in (http.client.HTTPConnection.request, urllib.request.OpenerDirector.open):
        original = inspect.unwrap(function)
        assert original is not function
        assert type(function) is FunctionType
        assert inspect.signature(function) == inspect.signature(original)
        assert (function.__name__, function.__qualname__, function.__doc__) == (
            original.__name__, original.__qualname__, original.__doc__,
        )  # fmt: skip


def test_an_answer_is_what_it_was(numbers: Numbers, server: Server) -> None:
    """Its type, its file's ways, and nothing left on the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/ok")
    answer = connection.getresponse()

    assert type(answer) is http.client.HTTPResponse
    assert "getresponse" not in vars(connection)
    assert answer.fileno() == answer.fp.fileno() > 0
    assert answer.readable() and not answer.closed and not answer.isclosed()
    assert answer.peek() == b"hello"
    assert answer.read() == b"hello"
    assert answer.isclosed()
    connection.close()


def parts() -> Iterator[tuple[Any, str]]:
    """Every function and method of ours that a call may reach."""
    for module in (http_integration, urllib_integration, _http_answer):
        for name, found in vars(module).items():
            if getattr(found, "__module__", "") != module.__name__:
                continue
            if isinstance(found, FunctionType):
                yield module, name
    # The rest of these two stands in for the library's own.
    yield _http_answer.Body, "__init__"
    yield http_integration.Awaited, "__init__"


def all_calls(server: Server) -> list[object]:
    """What calls of both modules get."""
    found: list[object] = []
    for path in ("/ok", "/redirect/2", "/chunked", "/limited", "/short", "/hangup"):
        try:
            body = iter([b"a"])
            request = urllib.request.Request(server.url(path), data=body, method="POST")
            with urllib.request.urlopen(request) as answer:
                found.append((answer.status, answer.read()))
        except Exception as error:
            found.append((type(error), getattr(error, "code", None)))
            getattr(error, "close", int)()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        try:
            connection.request("POST", path, body=iter([b"a"]))
            given = connection.getresponse()
            found.append((given.status, given.readline(), given.read()))
        except Exception as error:
            found.append(type(error))
        connection.close()
    return found


@pytest.mark.swallows
def test_a_sabotaged_agent_changes_no_call(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch, swallowed: list[Any]
) -> None:
    """Each function in turn raises at every call."""
    expected = all_calls(server)
    assert swallowed == []
    reached = []
    for number, (owner, name) in enumerate(list(parts())):
        failure = (RuntimeError, MemoryError, BaseException)[number % 3]

        def broken(*args: Any, failure: type[BaseException] = failure, **kwargs: Any) -> Any:
            raise failure("sabotage")

        guard.forget()
        swallowed.clear()
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, broken)
            http_client.CALLS.clear()
            http_integration._kinds.clear()
            assert all_calls(server) == expected, (owner, name)
        reached += [name] if swallowed else []
        hooks.uninstall()
        hooks.install()

    assert len(reached) > 10, reached


def test_a_delivery_from_within_a_program_is_no_call_of_the_program(
    numbers: Numbers, server: Server
) -> None:
    """As an exporter that runs in a thread makes them."""
    from monagent.exporter.delivery import Pushgateway
    from monagent.exporter.otlp import Unseen

    Pushgateway(server.url("/upload"), "job").send(Any, b"text")  # type: ignore[arg-type]  # unread
    pushed = server.seen[-1]
    with Unseen() as session:
        session.post(server.url("/status/200"), data=b"numbers")

    assert pushed.startswith("/upload/")
    assert server.seen[-1] == "/status/200"
    assert numbers.outcomes() == {}
