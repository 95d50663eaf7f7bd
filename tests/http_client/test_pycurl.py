"""Handles of libcurl stay what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.http_client.numbers import ACTIVE, Numbers
from tests.http_client.server import Server


def test_handles_pass_for_what_they_were(numbers: Numbers) -> None:
    """Their types, names, and what an application derives from them."""
    import pycurl

    handle = pycurl.Curl()

    assert type(handle) is pycurl.Curl
    assert isinstance(handle, pycurl.Curl)
    assert (pycurl.Curl.__module__, pycurl.Curl.__qualname__) == ("pycurl", "Curl")
    assert repr(handle).startswith("<pycurl.Curl object")
    assert pycurl.Curl.perform.__name__ == "perform"
    handle.mine = 1
    assert handle.mine == 1

    class Mine(pycurl.Curl):  # type: ignore[misc]  # untyped
        pass

    assert isinstance(Mine(), pycurl.Curl)


def test_callbacks_get_what_they_got_and_their_errors_pass(
    numbers: Numbers, server: Server
) -> None:
    """Bytes and headers come to the application; a callback that stops the transfer stops it."""
    import pycurl

    parts: list[bytes] = []
    lines: list[bytes] = []
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, server.url("/ok"))
    handle.setopt(pycurl.WRITEFUNCTION, parts.append)
    handle.setopt(pycurl.HEADERFUNCTION, lines.append)
    handle.perform()
    assert b"".join(parts) == b"hello"
    assert lines[0].startswith(b"HTTP/1.1 200")

    handle.setopt(pycurl.WRITEFUNCTION, lambda data: 0)
    with pytest.raises(pycurl.error) as caught:
        handle.perform()
    handle.close()

    assert caught.value.args[0] == pycurl.E_WRITE_ERROR
    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", 200, "cancelled"): 1}
    assert numbers.total(ACTIVE) == 0


def test_methods_and_redirects_are_libcurls(numbers: Numbers, server: Server) -> None:
    """A form that is posted, and the server asked for, not the one that answered at last."""
    import pycurl

    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, server.url("/upload"))
    handle.setopt(pycurl.POSTFIELDS, "a=1")
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    handle.perform()
    handle.reset()
    handle.setopt(pycurl.URL, server.url("/redirect/2").removeprefix("http://"))
    handle.setopt(pycurl.FOLLOWLOCATION, True)
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    handle.perform()
    handle.close()

    assert numbers.outcomes() == {("POST", 200, None): 1, ("GET", 200, None): 1}
    assert numbers.sizes("http.client.request.body.size")["POST", 200, None] == (1, 3)
    peers = numbers.values("http.client.request.resends", "server.address", "server.port")
    assert peers == {("127.0.0.1", server.port): 2.0}


@pytest.mark.parametrize(
    ("path", "again"), [("/guarded", {"auth": 1}), ("/away/guarded", {"auth": 1, "redirect": 1})]
)
def test_a_password_that_is_asked_for_is_no_redirect(
    numbers: Numbers, server: Server, path: str, again: dict[str, int]
) -> None:
    """Though libcurl counts the further request as one."""
    import pycurl

    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, server.url(path))
    handle.setopt(pycurl.FOLLOWLOCATION, "away" in path)
    handle.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_ANY)
    handle.setopt(pycurl.USERPWD, "ann:secret")
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    handle.perform()
    handle.close()

    assert numbers.outcomes() == {("GET", 200, None): 1}
    reasons = numbers.values("http.client.request.resends", "reason")
    assert reasons == {(reason,): float(count) for reason, count in again.items()}


def test_an_answer_that_asks_to_slow_down_is_counted(numbers: Numbers, server: Server) -> None:
    """With its delay, where pycurl tells it."""
    import pycurl

    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, server.url("/limited"))
    handle.perform()
    handle.close()

    throttled = numbers.values("http.client.throttled", "http.response.status_code")
    assert throttled == {(429,): 1.0}
    if hasattr(pycurl, "RETRY_AFTER"):
        ((_, cells),) = numbers.series("http.client.retry_after")
        assert cells[0] == 2.0


def test_transfers_of_other_protocols_are_no_calls(numbers: Numbers, tmp_path: Path) -> None:
    """libcurl speaks many, and reads files."""
    import pycurl

    file = tmp_path / "file"
    file.write_text("hello")
    parts: list[bytes] = []
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, f"file://{file}")
    handle.setopt(pycurl.WRITEFUNCTION, parts.append)
    handle.perform()
    handle.close()

    assert parts == [b"hello"]
    assert numbers.outcomes() == {}


def test_many_at_once_count_once_each(numbers: Numbers, server: Server) -> None:
    """Under a multi handle that is read after all have ended."""
    import pycurl

    many = pycurl.CurlMulti()
    handles: list[Any] = []
    for path in ("/ok", "/status/404", "/reset"):
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, server.url(path))
        handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        many.add_handle(handle)
        handles.append(handle)
    while many.perform()[1]:
        many.select(0.1)
    left, good, bad = many.info_read()
    for handle in handles:
        many.remove_handle(handle)
        handle.close()
    many.close()

    assert (left, len(good), len(bad)) == (0, 2, 1)
    assert numbers.outcomes() == {
        ("GET", 200, None): 1,
        ("GET", 404, "404"): 1,
        ("GET", None, "connection_reset"): 1,
    }
    assert numbers.total(ACTIVE) == 0


def test_a_multi_handle_closes_its_handles_if_told_so(numbers: Numbers, server: Server) -> None:
    """Those that it has at that time, and only if it was."""
    import pycurl

    if not hasattr(pycurl.Curl, "closed"):
        pytest.skip("pycurl is older than 7.46")

    def is_open(handle: Any) -> bool:
        try:
            handle.getinfo(pycurl.EFFECTIVE_URL)
        except pycurl.error:
            return False
        return True

    kept, taken_out, closed = pycurl.Curl(), pycurl.Curl(), pycurl.Curl()
    with pycurl.CurlMulti() as many:
        many.add_handle(kept)
    with pycurl.CurlMulti(close_handles=True) as many:
        many.add_handle(taken_out)
        many.remove_handle(taken_out)
        many.add_handle(closed)

    assert [is_open(handle) for handle in (kept, taken_out, closed)] == [True, True, False]


@pytest.mark.parametrize("name", ["Curl", "CurlMulti"])
def test_what_a_handle_does_not_take_it_refuses(numbers: Numbers, name: str) -> None:
    """Unless a class of the application's takes it."""
    import pycurl

    handle: Any = getattr(pycurl, name)

    class Mine(handle):  # type: ignore[misc]  # known at run time
        def __init__(self, name: str) -> None:
            self.name = name

    assert Mine("mine").name == "mine"
    with pytest.raises(TypeError):
        handle(1)
    with pytest.raises(TypeError):
        handle(name=1)


def test_a_transfer_whose_end_a_callback_reads_counts(numbers: Numbers, server: Server) -> None:
    """libcurl answers no question about it before the callback has returned."""
    import pycurl

    if not hasattr(pycurl, "M_NOTIFYFUNCTION"):
        pytest.skip("libcurl is older than 8.17, or pycurl than 7.47")
    many, handle = pycurl.CurlMulti(), pycurl.Curl()
    over: list[Any] = []
    many.setopt(pycurl.M_NOTIFYFUNCTION, lambda *_: over.extend(many.info_read()[1]))
    many.notify_enable(pycurl.M_NOTIFY_INFO_READ)
    handle.setopt(pycurl.URL, server.url("/ok"))
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    many.add_handle(handle)
    while not over:
        many.perform()
        many.select(0.1)
    many.remove_handle(handle)
    handle.close()

    assert numbers.outcomes() == {("GET", 200, None): 1}
