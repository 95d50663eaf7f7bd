"""Labels of a peer are bounded, whatever a program calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from monagent import settings
from monagent.conventions._peers import of, of_url
from monagent.store.reader import ShardFile
from tests.http_client.clients import Ask, able
from tests.http_client.numbers import DURATION, Numbers
from tests.http_client.server import Server

PEER = ("server.address", "server.port", "peer.service")


def ask(hosts: list[str], path: str = "/", method: str = "GET") -> None:
    """Call each of these hosts over a transport that answers at once."""
    import httpx

    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        for host in hosts:
            client.request(method, f"http://{host}{path}")


def counted(numbers: Numbers) -> dict[tuple[Any, ...], int]:
    """Calls by address, port and service."""
    found: dict[tuple[Any, ...], int] = {}
    for attributes, cells in numbers.series(DURATION):
        key = tuple(attributes.get(label) for label in PEER)
        found[key] = found.get(key, 0) + int(sum(cells[1:]))
    return found


def test_a_host_of_the_table_counts_under_its_pattern(numbers: Numbers) -> None:
    """And the rest under their own names."""
    settings.use(
        settings.load({"MONAGENT_PEER_SERVICES": "*.pay.example=payments, exact.example=exact"})
    )
    ask(["a.pay.example", "b.pay.example:8080", "EXACT.example", "else.example"])

    assert counted(numbers) == {
        ("*.pay.example", 80, "payments"): 1,
        ("*.pay.example", 8080, "payments"): 1,
        ("exact.example", 80, "exact"): 1,
        ("else.example", 80, None): 1,
    }


@pytest.mark.parametrize("loaded", [True, False], ids=["idna", "python"])
def test_a_host_counts_as_it_is_sent_in_whatever_letters_it_is_written(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    """And as the table has it, in either form; what is no name of a host stays what it is."""
    table = "*.bücher.example=books, *.xn--caf-dma.example=coffee"
    settings.use(settings.load({"MONAGENT_PEER_SERVICES": table}))
    if not loaded:
        monkeypatch.setitem(sys.modules, "idna", None)
    found = [
        of_url(f"http://{host}/").labels[::2]
        for host in (
            "BÜCHER.example", "xn--bcher-kva.example", "a.bücher.example",
            "a.xn--bcher-kva.example", "a.café.example", "a.xn--caf-dma.example",
        )
    ]  # fmt: skip
    strange = [of("http", host, 80).address for host in ("/tmp/é", "é" * 70)]

    assert found == [
        *[("xn--bcher-kva.example", None)] * 2,
        *[("*.bücher.example", "books")] * 2,
        *[("*.xn--caf-dma.example", "coffee")] * 2,
    ]
    assert strange == ["/tmp/é", "é" * 70]


def test_hosts_beyond_the_limit_are_other(numbers: Numbers) -> None:
    """Those of the table are told apart all the same."""
    settings.use(
        settings.load({"MONAGENT_PEER_LIMIT": "2", "MONAGENT_PEER_SERVICES": "known=service"})
    )
    ask([f"host{number}.example:{1000 + number}" for number in range(50)] + ["known"])

    assert counted(numbers) == {
        ("host0.example", 1000, None): 1,
        ("host1.example", 1001, None): 1,
        ("other", None, None): 48,
        ("known", 80, "service"): 1,
    }


def test_hosts_of_the_table_take_no_place_of_the_limit(numbers: Numbers) -> None:
    """Whenever and by however many ports they are called; nor does what is no host."""
    settings.use(
        settings.load({"MONAGENT_PEER_LIMIT": "2", "MONAGENT_PEER_SERVICES": "*.svc=mine"})
    )
    ask(["a.svc", "b.svc:1", "c.svc:2", "a" * 600, "x.example", "y.example", "z.example"])

    assert counted(numbers) == {
        ("*.svc", 80, "mine"): 1,
        ("*.svc", 1, "mine"): 1,
        ("*.svc", 2, "mine"): 1,
        ("unknown", None, None): 1,
        ("x.example", 80, None): 1,
        ("y.example", 80, None): 1,
        ("other", None, None): 1,
    }


def test_five_thousand_hosts_make_no_more_series_than_the_limit(numbers: Numbers) -> None:
    """A crawler's sums stay exact."""
    ask([f"host{number}.example" for number in range(5000)])

    found = counted(numbers)
    assert len(found) == 101
    assert sum(found.values()) == 5000


def test_nothing_of_a_url_but_its_host_is_kept(numbers: Numbers) -> None:
    """No path, no query, no credentials, anywhere in the shard."""
    import requests

    ask(["user:secret1@host.example"], "/secret2/x?token=secret3#secret4")
    with pytest.raises(requests.ConnectionError):
        requests.get("http://user:secret5@127.0.0.1:1/secret6?secret7")

    told = str([series.attributes for series in ShardFile(numbers.shard.snapshot()).series])
    assert "host.example" in told
    assert "secret" not in told
    assert b"secret" not in numbers.shard.snapshot()


def test_unknown_methods_are_one_value(numbers: Numbers) -> None:
    """A client may send any word."""
    for number in range(300):
        ask(["host.example"], method=f"WORD{number}")

    assert numbers.outcomes() == {("_OTHER", 200, None): 300}


def test_an_address_of_version_6_has_no_brackets(numbers: Numbers) -> None:
    """The same under every client."""
    import requests
    import urllib3

    ask(["[::1]:1"])
    with pytest.raises(requests.ConnectionError):
        requests.get("http://[::1]:1/")
    with urllib3.PoolManager(retries=False) as manager:
        with pytest.raises(urllib3.exceptions.HTTPError):
            manager.request("GET", "http://[::1]:1/")

    assert counted(numbers) == {("::1", 1, None): 3}


@pytest.mark.parametrize("client", able("tells headers").values(), ids=able("tells headers"))
def test_answers_that_ask_to_slow_down_are_counted(
    numbers: Numbers, server: Server, client: Callable[[Ask], int]
) -> None:
    """The status, the delay asked for, and what the peer says is left."""
    client(Ask(server.url("/limited")))

    assert numbers.total("http.client.throttled") == 1
    ((_, cells),) = numbers.series("http.client.retry_after")
    assert cells[0] == 2.0
    assert numbers.total("http.client.rate_limit.remaining") == 7


def test_what_is_too_long_for_a_host_is_none(numbers: Numbers) -> None:
    """A label of any length would be one too."""
    import urllib.error
    import urllib.request

    with pytest.raises((urllib.error.URLError, UnicodeError)):
        urllib.request.urlopen(f"http://{'a' * 10_000}/")

    assert counted(numbers) == {("unknown", None, None): 1}


FOLLOWING = able("follows redirects")
FOLLOWING.pop("urllib.request")  # a step of it knows no server but the one it goes to


@pytest.mark.parametrize("client", FOLLOWING.values(), ids=FOLLOWING)
def test_a_redirect_to_another_server_is_of_the_one_that_was_asked(
    numbers: Numbers, server: Server, client: Callable[[Ask], int]
) -> None:
    """As the call is."""
    client(Ask(server.url("/elsewhere/ok")))

    asked = {("127.0.0.1", server.port): 1.0}
    assert numbers.values("http.client.request.resends", *PEER[:2]) == asked
    calls = {(peer[0], peer[1]): count for peer, count in counted(numbers).items()}
    assert calls == asked
