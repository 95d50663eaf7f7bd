"""Flask: every request by the rule that took it, under whatever server."""

from __future__ import annotations

import collections
import gc
import io
import sys
import threading
import urllib.request
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.views import MethodView
from werkzeug.debug import DebuggedApplication
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, IntegerConverter, Rule
from werkzeug.test import Client

from monagent import settings
from monagent.integrations import _wsgi, werkzeug
from monagent.integrations._werkzeug_rules import of_other_methods
from tests.e2e.command import until
from tests.http.conversations import Bottom
from tests.http.numbers import Numbers

pytestmark = pytest.mark.usefixtures("numbers")


class View(MethodView):
    """A view of a class."""

    def get(self, number: int) -> str:
        """Answers GET."""
        return str(number)


def application(folder: Path) -> flask.Flask:
    """An application with blueprints, class views, errors, streams and files."""
    app = flask.Flask("tested", static_folder=str(folder), static_url_path="/static")
    outer, inner = flask.Blueprint("outer", __name__), flask.Blueprint("inner", __name__)
    inner.add_url_rule("/view/<int:number>", view_func=View.as_view("view"))
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer, url_prefix="/outer")

    @app.get("/fail/<kind>")
    def fail(kind: str) -> str:
        if kind == "http":
            flask.abort(403)
        raise KeyError(kind)

    @app.get("/stream")
    def stream() -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"a" * 10
            if flask.request.args.get("fail"):
                raise KeyError
            yield b"b" * 10

        return flask.Response(flask.stream_with_context(pieces()))

    @app.route("/slash/", methods=["GET", "POST"])
    def slash() -> str:
        return flask.request.get_data(as_text=True)

    return app


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/outer/inner/view/3", "GET /outer/inner/view/<int:number> 200"),
        ("/static/a.txt", "GET /static/<path:filename> 200"),
        ("/static/none", "GET /static/<path:filename> 404"),
        ("/nothing", "GET unmatched 404"),
        ("/slash", "GET unmatched 308"),
        ("/fail/http", "GET /fail/<kind> 403"),
        ("/fail/now", "GET /fail/<kind> 500 KeyError"),
        ("/stream", "GET /stream 200"),
    ],
)
def test_a_request_counts_by_its_rule(
    numbers: Numbers, tmp_path: Path, path: str, recorded: str
) -> None:
    """Prefixes of blueprints, views of classes, static files, errors with their class."""
    (tmp_path / "a.txt").write_text("a")
    with application(tmp_path).test_client().get(path) as answer:
        answer.get_data()

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_stream_that_breaks_says_by_what(numbers: Numbers, tmp_path: Path) -> None:
    """After the headers: the sent status and the exception's class."""
    client = Client(application(tmp_path))
    with pytest.raises(KeyError):
        client.get("/stream?fail=1", buffered=True)

    assert numbers.counts() == {"GET /stream 200 KeyError": 1}


def test_a_debugging_application_raises_as_before(numbers: Numbers, tmp_path: Path) -> None:
    """With TESTING the exception comes out, and is counted all the same."""
    app = application(tmp_path)
    app.testing = True
    with pytest.raises(KeyError) as caught:
        app.test_client().get("/fail/now")

    assert caught.traceback[-1].name == "fail"
    assert numbers.counts() == {"GET /fail/<kind> 500 KeyError": 1}


def test_an_exception_that_the_debugger_answers_has_its_class(
    numbers: Numbers, tmp_path: Path
) -> None:
    """Werkzeug's, in front of the application; what a rule has not taken has none."""
    app = application(tmp_path)
    app.debug = True
    client = Client(measured(DebuggedApplication(app)))

    assert client.get("/fail/now").status_code == 500
    assert client.get("/nothing").status_code == 404
    assert numbers.counts() == {"GET /fail/<kind> 500 KeyError": 1, "GET unmatched 404": 1}


def test_a_stream_that_breaks_in_front_of_the_debugger_says_by_what(
    numbers: Numbers, tmp_path: Path
) -> None:
    """It lets the answer end there, as if that was whole."""
    app = application(tmp_path)
    app.debug = True
    errors = io.StringIO()
    client = Client(measured(DebuggedApplication(app)))
    for query in ("?fail=1", ""):
        client.get(f"/stream{query}", buffered=True, errors_stream=errors)

    assert "KeyError" in errors.getvalue()
    assert numbers.counts() == {"GET /stream 200 KeyError": 1, "GET /stream 200": 1}


@pytest.mark.swallows
@pytest.mark.parametrize(("ours", "name"), [(_wsgi, "error_type"), (werkzeug, "swallowed")])
def test_the_debugger_answers_whatever_of_ours_fails(
    ours: object,
    name: str,
    swallowed: list[object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The exception that passes is the application's."""
    app = application(tmp_path)
    app.debug = True
    monkeypatch.setattr(ours, name, None)
    answer = Client(measured(DebuggedApplication(app))).get("/fail/now")

    assert answer.status_code == 500
    assert "KeyError" in answer.text
    assert swallowed


def test_applications_behind_a_dispatcher_have_their_mount_point(
    numbers: Numbers, tmp_path: Path
) -> None:
    """In the template, but not a prefix that a proxy has put there."""
    mounts: dict[str, Any] = {"/admin": application(tmp_path)}
    client = Client(measured(DispatcherMiddleware(application(tmp_path), mounts)))
    client.get("/admin/slash/", environ_overrides={"SCRIPT_NAME": "/tenant7"}).get_data()
    client.get("/slash/").get_data()
    client.get("/nowhere").get_data()
    client.get("/admin/nowhere").get_data()

    assert numbers.counts() == {
        "GET /admin/slash/ 200": 1,
        "GET /slash/ 200": 1,
        "GET unmatched 404": 1,
        "GET /admin 404": 1,
    }


def stripping(app: Any) -> Any:
    """The snippet that takes the prefix that a header names off the path."""

    def stripped(environ: Any, start_response: Any) -> Any:
        script, path = environ.get("HTTP_X_FORWARDED_PREFIX", ""), environ["PATH_INFO"]
        if script and path.startswith(script):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = script, path[len(script) :]
        return app(environ, start_response)

    return stripped


class Tenants(dict[str, Any]):
    """Mounts that must not be asked but by the dispatcher."""

    def __contains__(self, key: object) -> bool:
        assert sys._getframe(1).f_code.co_filename.endswith("dispatcher.py")
        return super().__contains__(key)


@pytest.mark.parametrize("within", [lambda app: ProxyFix(app, x_prefix=1), stripping])
@pytest.mark.parametrize("kind", [dict, Tenants, collections.UserDict])
def test_a_prefix_that_a_client_sends_is_no_part_of_a_route(
    numbers: Numbers, tmp_path: Path, within: Any, kind: Any
) -> None:
    """Also where it is put there or taken off behind the dispatcher; of mounts that are no
    dictionary nobody knows what asking them does, so that they are no part either."""
    inner, outer = application(tmp_path), application(tmp_path)
    for app in (inner, outer):
        app.wsgi_app = within(app.wsgi_app)  # type: ignore[method-assign]
    client = Client(measured(DispatcherMiddleware(outer, kind({"/a": outer, "/a/b": inner}))))
    answers = [
        client.get("/a/b/slash/", headers={"X-Forwarded-Prefix": prefix})
        for prefix in ("/x", "/y", "/slash", "/a", "/a/b")
    ]
    answers += [
        client.get(path, headers={"X-Forwarded-Prefix": path.rstrip("/")})
        for path in ("/slash/", "/a/slash/", "/a/none", "/none")
    ]
    for answer in answers:
        answer.get_data()

    found = {key.split()[1] for key in numbers.counts()}
    mounts = ("",) if kind is collections.UserDict else ("", "/a", "/a/b")
    assert found <= {mount + rule for mount in mounts for rule in ("/slash/", "")} | {"unmatched"}
    assert mounts[-1] + "/slash/" in found


@pytest.mark.parametrize("normalised", [False, True])
def test_an_application_without_a_router_counts_by_its_mount(
    numbers: Numbers, normalised: bool
) -> None:
    """As one mounted in Starlette does, unless paths are routes."""
    if normalised:
        settings.use(settings.load({"MONAGENT_HTTP_PATHS": "normalise"}))

    def bare(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["SCRIPT_NAME"].encode()]

    inner = DispatcherMiddleware(bare, {"/b": bare})
    client = Client(measured(DispatcherMiddleware(bare, {"/a": inner})))
    texts = [client.get(path).get_data(as_text=True) for path in ("/a/b/7", "/a/7", "/7")]

    assert texts == ["/a/b", "/a", ""]
    routes = ("/a/b/{id}", "/a/{id}", "/{id}") if normalised else ("/a/b", "/a", "unmatched")
    assert numbers.counts() == {f"GET {route} 200": 1 for route in routes}


def measured(app: Any) -> Any:
    """As a server would."""
    from monagent.integrations._wsgi import measured

    return measured(app)


def test_the_development_server_records_once(numbers: Numbers, tmp_path: Path) -> None:
    """Server and framework are two layers of one request."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, application(tmp_path), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.port}/slash/"
        with urllib.request.urlopen(url, data=b"abc") as answer:
            assert answer.read() == b"abc"
        # It answers in a thread, which nobody waits for.
        until(lambda: bool(numbers.counts()), "the request counted", 30)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert numbers.counts() == {"POST /slash/ 200": 1}
    assert numbers.sums("http.server.request.body.size") == {"/slash/": 3}


@pytest.mark.parametrize("converter", ["int", "own"])
def test_a_method_that_a_rule_does_not_take_is_its_405(numbers: Numbers, converter: str) -> None:
    """Behind mounts; an application's own converters see no value that Flask does not show them."""
    app = flask.Flask("inner")
    seen: list[str] = []

    class Own(IntegerConverter):
        def to_python(self, value: str) -> Any:
            seen.append(value)
            return super().to_python(value)

    if converter == "own":
        app.url_map.converters["own"] = Own
    app.add_url_rule(f"/view/<{converter}:number>", view_func=View.as_view("view"))
    outer = flask.Flask("outer")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/mount": app})  # type: ignore[method-assign]
    for path, status in (("/mount/view/3", 405), ("/mount/view/x", 404)):
        with outer.test_client().delete(path) as answer:
            assert (answer.status_code, bool(answer.data)) == (status, True)

    assert not seen
    route = f"/mount/view/<{converter}:number>"
    assert numbers.counts() == {f"DELETE {route} 405": 1, "DELETE /mount 404": 1}


@pytest.mark.parametrize("by_host", [False, True])
def test_the_rules_of_a_405_are_those_of_now(numbers: Numbers, by_host: bool) -> None:
    """Rules that are added later, hosts; an application that is gone is not kept for that."""

    class Words(BaseConverter):
        regex = r"\w+(?:/\w+)*"

        def __init__(self, map: Any, separator: str = "/") -> None:
            super().__init__(map)
            self.separator = separator

        def to_python(self, value: str) -> list[str]:
            return value.split(self.separator)

    host = "localhost" if by_host else None
    app = flask.Flask("words", host_matching=by_host, static_folder=None)
    app.url_map.converters["words"] = Words
    for number in range(3):
        template = f"/{number}/<words('+'):all>/end"
        app.view_functions[template] = lambda **_: ""
        app.url_map.add(Rule(template, endpoint=template, methods=["PUT"], host=host))
        for method, status in (("GET", 405), ("PUT", 200)):
            with app.test_client().open(f"/{number}/a/b/end", method=method) as answer:
                assert (answer.status_code, bool(answer.data)) == (status, status == 405)
    rules = weakref.ref(app.url_map)
    del app
    gc.collect()

    assert rules() is None
    templates = [f"/{number}/<words('+'):all>/end" for number in range(3)]
    expected = {f"GET {template} 405": 1 for template in templates}
    assert numbers.counts() == expected | {f"PUT {template} 200": 1 for template in templates}


@pytest.mark.swallows
@pytest.mark.parametrize("name", ["own", "like", "likeness", "asking_none", "as_it_is"])
def test_a_405_is_answered_whatever_of_ours_fails(
    name: str, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, without its rule."""

    class Own(IntegerConverter):
        """An application's."""

    def fail(*_: Any) -> Any:
        raise Bottom

    monkeypatch.setattr(sys.modules[of_other_methods.__module__], name, fail)
    app = flask.Flask("own")
    app.url_map.converters["own"] = Own
    app.add_url_rule("/<own:number>", view_func=View.as_view("view"))
    with app.test_client().delete("/3") as answer:
        assert (answer.status_code, bool(answer.data)) == (405, True)

    assert numbers.counts() == {"DELETE unmatched 405": 1}
