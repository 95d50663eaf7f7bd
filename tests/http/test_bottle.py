"""Bottle: every request by the rule that took it, mounts of every kind included."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bottle
import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from monagent.integrations._wsgi import measured
from tests.http.numbers import Numbers
from tests.http.wsgi import get

pytestmark = pytest.mark.usefixtures("numbers")


def application(folder: Path, mounts: bool = True) -> bottle.Bottle:
    """An application with rules of every kind, errors, streams, files and mounts."""
    app = bottle.Bottle()

    def item(number: int) -> str:
        return str(number)

    def file(name: str) -> Any:
        return bottle.static_file(f"{name}.txt", root=str(folder))

    def fail(kind: str) -> str:
        if kind == "http":
            bottle.abort(403)
        if kind == "server":
            bottle.abort(503)
        if kind == "raised":
            raise bottle.HTTPResponse("as raised", 202)
        raise KeyError(kind)

    def stream() -> Iterator[bytes]:
        if bottle.request.query.first:
            raise KeyError
        yield b"a" * 10
        if bottle.request.query.fail:
            raise KeyError
        yield b"b" * 10

    def events() -> Iterator[bytes]:
        bottle.response.content_type = "text/event-stream"
        yield b"data: 1\n\n"

    app.route("/items/<number:int>", method=["GET", "PUT"], callback=item)
    app.route("/files/<name:re:[a-z]+>.txt", callback=file)
    app.route("/fail/<kind>", callback=fail)
    app.route("/stream", callback=stream)
    app.route("/events", callback=events)
    if mounts:
        app.mount("/merged/", application(folder, mounts=False))
        app.mount("/flask/", flask_application())
        app.mount("/bare/", bare)
    return app


def flask_application() -> flask.Flask:
    """An application of another framework."""
    app = flask.Flask("inner")
    app.add_url_rule("/things/<thing>", view_func=lambda thing: thing)
    return app


def bare(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """An application without a framework."""
    start_response("200 OK", [])
    return [b"bare"]


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/items/3", "GET /items/<number:int> 200"),
        ("/items/none", "GET unmatched 404"),
        ("/files/a.txt", "GET /files/<name:re:[a-z]+>.txt 200"),
        ("/files/b.txt", "GET /files/<name:re:[a-z]+>.txt 404"),
        ("/fail/http", "GET /fail/<kind> 403"),
        ("/fail/server", "GET /fail/<kind> 503 503"),
        ("/fail/raised", "GET /fail/<kind> 202"),
        ("/fail/now", "GET /fail/<kind> 500 KeyError"),
        ("/stream", "GET /stream 200"),
        ("/stream?first=1", "GET /stream 500 KeyError"),
        ("/merged/items/3", "GET /merged/items/<number:int> 200"),
        ("/merged/fail/now", "GET /merged/fail/<kind> 500 KeyError"),
        ("/flask/things/x", "GET /flask/things/<thing> 200"),
        ("/flask/none", "GET /flask 404"),
        ("/bare/x/y", "GET /bare 200"),
    ],
)
def test_a_request_counts_by_its_rule(
    numbers: Numbers, tmp_path: Path, path: str, recorded: str
) -> None:
    """Prefixes of mounts, files, what is raised with its status or its class."""
    (tmp_path / "a.txt").write_text("a")
    assert get(application(tmp_path), path) == int(recorded.split()[2])

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bottle_mounted_as_wsgi_has_both_rules(numbers: Numbers, tmp_path: Path) -> None:
    """As all were before 0.13."""
    app = application(tmp_path)
    app.mount("/plain", application(tmp_path, mounts=False))
    assert get(app, "/plain/items/3") == 200

    assert numbers.counts() == {"GET /plain/items/<number:int> 200": 1}


def test_a_stream_that_breaks_says_by_what(numbers: Numbers, tmp_path: Path) -> None:
    """After the headers: the sent status and the exception's class."""
    with pytest.raises(KeyError):
        get(application(tmp_path), "/stream?fail=1")

    assert numbers.counts() == {"GET /stream 200 KeyError": 1}


def test_an_event_stream_is_no_request(numbers: Numbers, tmp_path: Path) -> None:
    """It has a lifetime, by its rule."""
    assert get(application(tmp_path), "/events") == 200

    assert numbers.counts() == {}
    assert numbers.counts("sse.connection.duration") == {"/events": 1}


def test_an_application_that_catches_nothing_raises_as_before(
    numbers: Numbers, tmp_path: Path
) -> None:
    """The server sees the exception, and it is counted all the same."""
    app = application(tmp_path)
    app.catchall = False
    with pytest.raises(KeyError) as caught:
        get(app, "/fail/now")

    assert caught.traceback[-1].name == "fail"
    assert numbers.counts() == {"GET /fail/<kind> 500 KeyError": 1}


def test_a_failing_page_for_errors_is_a_500(numbers: Numbers, tmp_path: Path) -> None:
    """Bottle's last resort."""
    app = application(tmp_path)

    def page(error: Any) -> str:
        raise LookupError

    app.error(403)(page)
    assert get(app, "/fail/http") == 500
    assert numbers.counts() == {"GET /fail/<kind> 500 LookupError": 1}


def test_an_error_that_is_made_outside_of_a_request_is_nobodys(
    numbers: Numbers, tmp_path: Path
) -> None:
    """In a thread that a view has begun there is no request."""
    app = application(tmp_path)

    def answer() -> bottle.HTTPError:
        return bottle.HTTPError(503, "later", KeyError("store"))

    @app.get("/elsewhere")  # type: ignore[untyped-decorator]  # Bottle's
    def elsewhere() -> bottle.HTTPError:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(answer).result()

    assert get(app, "/elsewhere") == 503
    assert numbers.counts() == {"GET /elsewhere 503 503": 1}


def test_an_application_behind_a_dispatcher_has_its_mount_point(
    numbers: Numbers, tmp_path: Path
) -> None:
    """In the template, but not a prefix that a proxy has put there."""
    mounts: dict[str, Any] = {"/admin": application(tmp_path)}
    app = measured(DispatcherMiddleware(application(tmp_path), mounts))
    get(app, "/admin/items/3", SCRIPT_NAME="/tenant7")
    get(app, "/items/3")

    assert numbers.counts() == {
        "GET /admin/items/<number:int> 200": 1,
        "GET /items/<number:int> 200": 1,
    }


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/items/3", "DELETE /items/<number:int> 405"),
        ("/merged/items/3", "DELETE /merged/items/<number:int> 405"),
        ("/stream", "DELETE /stream 405"),
    ],
)
def test_a_method_that_a_rule_does_not_take_is_its_405(
    numbers: Numbers, tmp_path: Path, path: str, recorded: str
) -> None:
    """Dynamic, behind a mount, static."""
    assert get(application(tmp_path), path, "DELETE") == 405

    assert numbers.counts() == {recorded: 1}
