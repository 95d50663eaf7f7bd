"""xmlrpc.client: its calls count once, whatever sends them."""

from __future__ import annotations

import socket
import socketserver
import threading
import xmlrpc.client
import xmlrpc.server
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http_client.numbers import ACTIVE, SENT, Numbers
from tests.http_client.server import Server
from tests.ports import free_port


class Server11(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    """Keeps its connections, each in a thread."""

    daemon_threads = True

    class Keeping(xmlrpc.server.SimpleXMLRPCRequestHandler):
        """HTTP/1.1."""

        protocol_version = "HTTP/1.1"


@pytest.fixture
def methods() -> Iterator[str]:
    """URL of a server with the method `double`."""
    server = Server11(("127.0.0.1", 0), Server11.Keeping, logRequests=False)
    server.register_function(lambda number: number * 2, "double")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://me:secret@127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_call_counts_with_what_came_of_it(numbers: Numbers, server: Server, methods: str) -> None:
    """A value, a fault of the method, an answer of HTTP alone, none at all."""
    with xmlrpc.client.ServerProxy(methods) as proxy:
        assert proxy.double(21) == 42
        with pytest.raises(xmlrpc.client.Fault):
            proxy.missing()
    for path in ("/limited", "/reset"):
        with xmlrpc.client.ServerProxy(server.url(path)) as proxy, pytest.raises(Exception):  # noqa: B017 - each its own
            proxy.double(21)
    with xmlrpc.client.ServerProxy(f"https://127.0.0.1:{free_port()}") as proxy:
        with pytest.raises(ConnectionRefusedError):
            proxy.double(21)

    assert numbers.outcomes() == {
        ("POST", 200, None): 2,
        ("POST", 429, "429"): 1,
        ("POST", None, "connection_reset"): 1,
        ("POST", None, "connection_refused"): 1,
    }
    assert numbers.total(ACTIVE) == 0
    assert numbers.total("http.client.throttled") == 1
    assert numbers.sizes(SENT)["POST", 200, None][0] == 2
    peers = {key["server.address"] for key, _ in numbers.series("http.client.request.duration")}
    assert peers == {"127.0.0.1"}


def test_a_call_that_is_tried_again_is_one(numbers: Numbers, methods: str) -> None:
    """Its connection was kept, and lost meanwhile."""
    with xmlrpc.client.ServerProxy(methods) as proxy:
        assert proxy.double(1) == 2
        kept: Any = proxy("transport")._connection[1]
        kept.sock.shutdown(socket.SHUT_RDWR)
        assert proxy.double(2) == 4

    assert numbers.outcomes() == {("POST", 200, None): 2}
    assert numbers.total(ACTIVE) == 0


def test_a_transport_of_another_client_leaves_the_call_to_that(
    numbers: Numbers, methods: str
) -> None:
    """As programs make them to have proxies, passwords and timeouts."""
    import requests

    class Transport(xmlrpc.client.Transport):
        def single_request(
            self, host: Any, handler: str, request_body: Any, verbose: bool = False
        ) -> Any:
            parser, result = self.getparser()
            answer = requests.post(f"http://{host}{handler}", data=request_body, timeout=30)
            parser.feed(answer.content)
            parser.close()
            return result.close()

    with xmlrpc.client.ServerProxy(methods, transport=Transport()) as proxy:
        assert proxy.double(21) == 42

    assert numbers.outcomes() == {("POST", 200, None): 1}


@pytest.mark.swallows
@pytest.mark.parametrize("part", ["begin", "length"])
def test_a_call_comes_out_the_same_whatever_of_ours_fails(
    part: str,
    numbers: Numbers,
    methods: str,
    swallowed: list[tuple[str, BaseException]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A value and a fault."""
    from monagent.integrations import xmlrpc as ours

    monkeypatch.setattr(ours, part, _fail)
    with xmlrpc.client.ServerProxy(methods) as proxy:
        assert proxy.double(21) == 42
        with pytest.raises(xmlrpc.client.Fault):
            proxy.missing()

    assert [component for component, _ in swallowed] == ["xmlrpc"] * 2


@pytest.mark.swallows
def test_an_answer_comes_out_the_same_when_recording_it_fails(
    numbers: Numbers,
    methods: str,
    swallowed: list[tuple[str, BaseException]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A value, a fault, a connection refused."""
    from monagent.integrations import xmlrpc as ours

    class Failing(dict[int, Any]):
        __missing__ = failed = _fail

    monkeypatch.setattr(ours, "begin", lambda *_: Failing())
    with xmlrpc.client.ServerProxy(methods) as proxy:
        assert proxy.double(21) == 42
        with pytest.raises(xmlrpc.client.Fault):
            proxy.missing()
    with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{free_port()}") as proxy:
        with pytest.raises(ConnectionRefusedError):
            proxy.double(21)

    assert [component for component, _ in swallowed] == ["xmlrpc"] * 3


def _fail(*_: Any) -> Any:
    raise KeyError("sabotage")
