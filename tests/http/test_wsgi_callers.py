"""Bodies of WSGI answers in the hands of test clients and of whoever else calls an application."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from monagent.integrations._wsgi import measured
from tests.http.numbers import Numbers
from tests.http.test_wsgi import call
from tests.http.test_wsgi_oddities import Answer


@pytest.mark.parametrize("read", [0, 1])
def test_a_body_that_is_dropped_leaves_nothing_active(numbers: Numbers, read: int) -> None:
    """Test clients and WebOb hand it over, and whoever asks may look at the status only.

    Nor is it closed, as nobody closes it without monagent."""
    bodies: list[Answer] = []

    def app(environ: Any, start_response: Any) -> Any:
        bodies.append(Answer(environ, start_response))
        if not read:
            start_response("200 OK", [])
        return bodies[0]

    body = measured(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    assert list(islice(body, read)) == [b"a"] * read
    assert numbers.total("http.server.active_requests") == 1
    del body

    assert numbers.total("http.server.active_requests") == 0
    assert bodies[0].closed == 0
    assert list(numbers.counts().values()) == [1]


def test_flasks_test_client_may_ask_for_the_status_alone(numbers: Numbers) -> None:
    """Its answers are neither read nor closed then."""
    import flask

    app = flask.Flask("dropped")
    app.add_url_rule("/", view_func=lambda: "hello")

    assert app.test_client().get("/").status_code == 200

    assert numbers.counts() == {"GET / 200": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_what_a_body_warns_of_is_told_of_whoever_reads_or_closes_it(numbers: Numbers) -> None:
    """As Django does of an asynchronous stream, and Werkzeug's lint of a wrong length."""

    class Warns:
        def __iter__(self) -> Iterator[bytes]:
            warnings.warn("asynchronous", UserWarning, stacklevel=2)
            return iter([b"a"])

        def close(self) -> None:
            warnings.warn("length", UserWarning, stacklevel=2)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Warns()

    body: Any = measured(app)({"REQUEST_METHOD": "GET"}, lambda *_: None)
    with pytest.warns(UserWarning, match="asynchronous") as read:
        assert list(body) == [b"a"]
    with pytest.warns(UserWarning, match="length") as closed:
        body.close()

    assert [warning.filename for warning in (*read, *closed)] == [__file__, __file__]


@pytest.mark.parametrize(("length", "received"), [(5, 5), (0, 0), (-1, 3)])
def test_a_length_may_be_a_number(numbers: Numbers, length: int, received: int) -> None:
    """Servers give text; who calls applications without a server may know no better."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        assert environ["CONTENT_LENGTH"] is length
        environ["wsgi.input"].read(3)
        start_response("200 OK", [])
        return [b"ok"]

    call(measured(app), "POST", CONTENT_LENGTH=length, **{"wsgi.input": io.BytesIO(b"abcde")})

    assert numbers.counts() == {"POST unmatched 200": 1}
    assert numbers.sums("http.server.request.body.size") == {"unmatched": received}


@pytest.mark.parametrize("software", [{}, {"SERVER_SOFTWARE": "server/1"}])
def test_the_bytes_of_an_answer_are_the_applications(software: dict[str, str]) -> None:
    """As Django's has them; of an answer that has none there are none."""

    class Whole(Answer):
        def __bytes__(self) -> bytes:
            return b"whole"

    def answered(kind: type[Answer]) -> Any:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", **software}
        return measured(kind)(environ, lambda *_: None)

    whole, other = answered(Whole), answered(Answer)

    assert bytes(whole) == b"whole"
    with pytest.raises(TypeError):
        bytes(other)
    for answer in (whole, other):
        answer.close()


@pytest.mark.parametrize("exc_info", [(), (None,)])
def test_a_start_that_the_server_refuses_is_none(exc_info: Any, numbers: Numbers) -> None:
    """A debugger tries an answer of its own when there is one already."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        with pytest.raises(AssertionError):
            start_response("500 Oops", [], *exc_info)
        return [b"ok"]

    seen: list[str] = []

    def once(status: str, headers: Any, exc_info: Any = None) -> None:
        assert not seen
        seen.append(status)

    list(measured(app)({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, once))

    assert numbers.counts() == {"GET unmatched 200": 1}
