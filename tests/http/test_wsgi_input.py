"""Bodies of requests over WSGI: of a long one counts what is read, and reading it is as before."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monagent.integrations._wsgi import measured
from monagent.integrations._wsgi_input import BELIEVED, CountedInput
from tests.http.numbers import Numbers
from tests.http.test_wsgi import call

LONG = bytes(range(256)) * 400 + b"the\nend"
SIZE = "http.server.request.body.size"


def asked(
    work: Callable[[Any], object], declared: int | None = None, source: Any = None
) -> dict[str, Any]:
    """The environ of a request with a long body, with whose stream the application has worked."""
    environ = {
        "REQUEST_METHOD": "POST",
        "wsgi.url_scheme": "http",
        "CONTENT_LENGTH": str(len(LONG) if declared is None else declared),
        "wsgi.input": io.BytesIO(LONG) if source is None else source,
    }

    def app(environ: Any, start_response: Any) -> list[bytes]:
        work(environ["wsgi.input"])
        start_response("200 OK", [])
        return [b"ok"]

    body: Any = measured(app)(environ, lambda *args: None)
    body.close()
    return environ


@pytest.mark.parametrize("read", [0, 100, len(LONG)])
@pytest.mark.parametrize("expecting", [{}, {"HTTP_EXPECT": "100-continue"}])
def test_of_a_long_body_counts_what_was_read(
    numbers: Numbers, read: int, expecting: dict[str, str]
) -> None:
    """Not what its client has announced: one that is refused need never be sent, another is cut."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read(read)
        start_response("413 Content Too Large", [])
        return [b"no"]

    environ = {"CONTENT_LENGTH": "500000000", "wsgi.input": io.BytesIO(LONG), **expecting}
    call(measured(app), "POST", **environ)

    assert numbers.counts() == {"POST unmatched 413": 1}
    assert numbers.sums(SIZE) == {"unmatched": read}


@pytest.mark.parametrize(("more", "received"), [(0, BELIEVED), (1, 10)])
def test_a_short_length_is_believed_and_nobody_stands_in_between(
    numbers: Numbers, more: int, received: int
) -> None:
    """Most bodies are so short, and the application has the very stream of the server."""
    kinds: list[type] = []

    def work(source: Any) -> None:
        kinds.append(type(source))
        source.read(10)

    asked(work, BELIEVED + more)

    assert issubclass(kinds[0], CountedInput) is bool(more)
    assert numbers.sums(SIZE) == {"unmatched": received}


@pytest.mark.parametrize(
    "work",
    [
        lambda source: source.read(),
        lambda source: source.read(-1) + source.read(),
        lambda source: b"".join(iter(lambda: source.read(1000), b"")),
        lambda source: b"".join(iter(source.readline, b"")),
        lambda source: b"".join(source.readlines()),
        b"".join,
        lambda source: next(source) + source.read1(7) + source.read1() + source.read(),
        lambda source: source.seek(0) or (source.read(5) and source.seek(0)) or source.read(),
        lambda source: io.BufferedReader(source).read(),
        lambda source: io.TextIOWrapper(source, "latin-1", newline="").read().encode("latin-1"),
        lambda source: copy.copy(source) and source.read(),
    ],
)
def test_a_long_body_is_read_in_every_manner(
    numbers: Numbers, work: Callable[[Any], bytes]
) -> None:
    """Each byte counts once, also of who goes back to the start."""
    got: list[bytes] = []

    asked(lambda source: got.append(work(source)))

    assert got == [LONG]
    assert numbers.sums(SIZE) == {"unmatched": len(LONG)}


@pytest.mark.parametrize("into", ["readinto", "readinto1"])
def test_a_long_body_is_read_into_a_buffer(numbers: Numbers, into: str) -> None:
    """Which the stream of wsgiref's server can do."""
    got = bytearray(1000)
    sizes: list[int] = []

    asked(
        lambda source: sizes.append(getattr(source, into)(got)),
        source=io.BufferedReader(io.BytesIO(LONG)),
    )

    assert (sizes, bytes(got)) == ([1000], LONG[:1000])
    assert numbers.sums(SIZE) == {"unmatched": 1000}


def test_what_the_server_takes_by_name_it_takes_still(numbers: Numbers) -> None:
    """gunicorn's stream does; one that has nothing yet gives None."""

    class Body:
        def read(self, size: int | None = None) -> bytes | None:
            return None if size is None else b"x" * size

        readline = read

    got: list[Any] = []

    def work(source: Any) -> None:
        got.extend((source.read(size=3), source.readline(size=2), source.read()))
        got.append([hasattr(source, name) for name in ("readinto", "read1", "fileno", "read")])

    asked(work, source=Body())

    assert got == [b"xxx", b"xx", None, [False, False, False, True]]
    assert numbers.sums(SIZE) == {"unmatched": 5}


def test_a_stream_that_is_of_c_has_what_it_has(numbers: Numbers) -> None:
    """As uWSGI's and granian's: it will never have more."""

    class Body:
        __slots__ = ("own", "unset")

        def __init__(self) -> None:
            self.own = io.BytesIO(LONG)

        def read(self, size: int = -1) -> bytes:
            return self.own.read(size)

        def fileno(self) -> int:
            return 7

    def work(source: Any) -> None:
        assert not hasattr(type(source), "__getattr__")
        assert (source.read(5), source.fileno()) == (LONG[:5], 7)
        for name in ("readinto", "unset", "nothing"):
            with pytest.raises(AttributeError, match=name):
                getattr(source, name)
        with pytest.raises(AttributeError, match="readline"):
            source.readline()
        with pytest.raises(TypeError):
            iter(source)
        source.own = io.BytesIO(b"other")
        assert source.read() == b"other"

    asked(work, source=Body())

    assert numbers.sums(SIZE) == {"unmatched": 10}


def test_the_stream_passes_for_the_servers(numbers: Numbers) -> None:
    """Falcon 2 asks for its class, others copy it, print it or put something at it."""

    def work(source: Any) -> None:
        assert isinstance(source, io.BytesIO)
        assert source == stream
        assert repr(source) == repr(stream)
        for copied in (copy.deepcopy(source), pickle.loads(pickle.dumps(source))):
            assert type(copied) is io.BytesIO
            assert copied.getvalue() == LONG
        source.mark = "mine"  # type: ignore[attr-defined]

    stream: Any = io.BytesIO(LONG)
    asked(work, source=stream)

    assert vars(stream) == {"mark": "mine"}


class Body:
    """Gives lines by an iterator of their own."""

    def read(self, size: int | None = None) -> bytes:
        """Some bytes."""
        return b""

    def readline(self, limit: int = -1, /) -> bytes:
        """A line."""
        return b""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"abc", b"d"])


@pytest.mark.parametrize(
    ("made", "size"),
    [
        (lambda: io.BytesIO(LONG), len(LONG)),
        (lambda: io.BufferedReader(io.BytesIO(LONG)), len(LONG)),
        (Body, 4),
    ],
)
def test_the_streams_methods_look_as_without_us(
    numbers: Numbers, made: Callable[[], Any], size: int
) -> None:
    """Of C and of Python; and it is the iterator of its own lines if the server's is that."""
    names = [
        name
        for name in ("read", "readline", "readlines", "read1", "readinto")
        if hasattr(made(), name)
    ]
    found: list[Any] = []

    def look(source: Any) -> None:
        methods = [getattr(source, name) for name in names]
        found.extend((m.__name__, m.__qualname__, m.__doc__) for m in methods)
        found.extend(inspect.signature(m) for m in methods)
        lines = iter(source)
        found.extend((lines is source, list(lines)))

    asked(look, source=made())
    with_us = found.copy()
    found.clear()
    look(made())

    assert with_us == found
    assert numbers.sums(SIZE) == {"unmatched": size}


def test_an_environ_that_is_used_again_and_again_has_one_stand_in(numbers: Numbers) -> None:
    """Each time it counts anew."""
    environ = asked(lambda source: source.read(10))

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(1)]

    again = measured(app)
    for _ in range(2000):
        body: Any = again(environ, lambda *args: None)
        body.close()

    assert numbers.counts() == {"POST unmatched 200": 2001}
    assert numbers.sums(SIZE) == {"unmatched": 2010}
