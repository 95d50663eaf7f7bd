"""The part in C does what the part in Python does, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monagent.conventions import http
from monagent.integrations import _asgi, _wsgi
from monagent.integrations._asgi_request import Request as AsgiRequest
from monagent.integrations._wsgi_request import Request as WsgiRequest
from monagent.native import part
from tests.http.asgi import run
from tests.http.numbers import Numbers
from tests.http.wsgi import get
from tests.parts import compiled, left, needed, on_every_minor, told

ROOT = Path(__file__).resolve().parents[2]


@compiled
@on_every_minor
def test_both_parts_do_the_same(minor: str) -> None:
    """Applications and servers of all manners, plain and odd: both sides get the same messages and
    exceptions, and every series is the same. One file is for all minors."""
    in_c = told("tests.http.conversations", 3000, minor)

    assert not in_c["broken"]
    assert sum(cells[0] for name, cells in in_c["recorded"].items() if "duration" in name) > 2000


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers plainly."""
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


def wsgi_app(environ: Any, start_response: Any) -> Any:
    """Answers plainly."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (piece for piece in (b"hel", b"lo"))


@needed
def test_requests_leave_nothing_behind(numbers: Numbers) -> None:
    """No object of ours lives on, and what all requests share is held as often as before."""
    asgi, wsgi = _asgi.measured(asgi_app), _wsgi.measured(wsgi_app)

    def ask(times: int) -> tuple[int, ...]:
        for _ in range(times):
            run(asgi)
            assert get(wsgi, "/", SERVER_SOFTWARE="server/1") == 200
        gc.collect()
        ours = (AsgiRequest, WsgiRequest, part.Body, part.Relay)
        arrival = http.arrivals["http"]["GET"]
        end = arrival.enders[200]["unmatched"]
        return (
            sum(type(one) in ours for one in gc.get_objects()),
            sys.getrefcount(arrival), sys.getrefcount(arrival.cell), sys.getrefcount(end),
            sys.getrefcount(arrival.add),
            sys.getrefcount(AsgiRequest), sys.getrefcount(WsgiRequest),
        )  # fmt: skip

    before = ask(10)

    assert left(before, ask(500), 500) == []
    assert numbers.counts() == {"GET unmatched 200": 1020}


@needed
def test_a_stand_in_for_a_body_has_what_the_body_has(numbers: Numbers) -> None:
    """Attributes, and one call of `close`."""

    class Body:
        closed = 0

        def __iter__(self) -> Any:
            return iter((b"a", b"b"))

        def close(self) -> None:
            self.closed += 1

        def extra(self) -> str:
            return "extra"

    body = Body()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("A", "b")])
        return body

    measured = _wsgi.measured(app)
    for times in (1, 2, 3):
        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SERVER_SOFTWARE": "x"}
        made: Any = measured(environ, lambda *said: None)
        assert (made.extra(), list(made), list(made)) == ("extra", [b"a", b"b"], [])
        made.close()
        made.close()
        assert body.closed == times
        with pytest.raises(AttributeError, match="nothing"):
            made.nothing  # noqa: B018  # it is asked for

    assert type(made) is part.Body  # The first one told what class needs no other.
    assert numbers.counts() == {"GET unmatched 200": 3}


@needed
def test_other_interpreters_go_the_way_of_python() -> None:
    """What lies in C belongs to the first one, and those with its lock could reach it."""
    asked = "from monagent.native import part as it; print(it is None, flush=True)"
    program = (
        "import sys\ntry:\n    import _interpreters as found\nexcept ImportError:\n"
        "    import _xxsubinterpreters as found\n"
        f"exec({asked!r})\n"
        "new = sys.version_info >= (3, 13)\n"
        "other = found.create('legacy') if new else found.create(isolated=False)\n"
        f"found.run_string(other, {asked!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")
