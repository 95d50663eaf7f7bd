"""Pyramid: every request by the pattern of its route, or by its view where it was traversed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from monagent.integrations._wsgi import measured
from tests.http.numbers import Numbers
from tests.http.wsgi import get

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It imports pkg_resources, which warns of itself.
    from pyramid.config import Configurator
    from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound, HTTPServiceUnavailable
    from pyramid.request import Request
    from pyramid.response import Response
    from pyramid.wsgi import wsgiapp, wsgiapp2

pytestmark = pytest.mark.usefixtures("numbers")


class Folder(dict[str, Any]):
    """A resource with resources in it."""


def ok(request: Any) -> Response:
    """A view."""
    return Response("ok")


def fails(request: Any) -> Response:
    """A view that raises by name."""
    kind = request.matchdict["kind"]
    if kind == "http":
        raise HTTPForbidden
    if kind == "server":
        raise HTTPServiceUnavailable
    if kind == "handled":
        raise LookupError
    if kind == "lost":
        raise OSError
    raise KeyError(kind)


def stream(request: Any) -> Response:
    """A view whose response may break."""
    events = "events" in request.params

    def pieces() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        if "fail" in request.params:
            raise KeyError

    kind = "text/event-stream" if events else "text/plain"
    return Response(app_iter=pieces(), content_type=kind)


def subrequest(request: Any) -> Response:
    """A view that asks another one for its answer, by a copy of the request."""
    asked = request.copy()
    asked.path_info = "/items/7"
    response: Response = request.invoke_subrequest(asked, use_tweens=True)
    return response


def inner() -> Any:
    """A Pyramid application to be mounted in another."""
    config = Configurator()
    config.add_route("thing", "/things/{thing}")
    config.add_view(ok, route_name="thing")
    return config.make_wsgi_app()


def flask_application() -> flask.Flask:
    """An application of another framework."""
    app = flask.Flask("inner")
    app.add_url_rule("/things/<thing>", view_func=lambda thing: thing)
    return app


def deeper(config: Any) -> None:
    """Included with a prefix, within another."""
    config.add_route("leaf", "leaf/{x}")
    config.add_view(ok, route_name="leaf")


def included(config: Any) -> None:
    """Included with a prefix."""
    config.add_route("branch", "")
    config.add_view(ok, route_name="branch")
    config.include(deeper, route_prefix="deep")


def application(folder: Path) -> Any:
    """Routes and includes, errors, streams, files, traversal and mounts."""
    config = Configurator(root_factory=lambda request: Folder(a=Folder(b=Folder())))
    for name, pattern, view in (
        ("item", "/items/{number:\\d+}", ok),
        ("bare", "bare", ok),
        ("fail", "/fail/{kind}", fails),
        ("stream", "/stream", stream),
        ("sub", "/sub", subrequest),
        ("pyramid", "/pyramid/*subpath", wsgiapp2(inner())),
        ("flask", "/flask/*subpath", wsgiapp2(flask_application())),
        ("whole", "/things/{thing}", wsgiapp(flask_application())),
        ("hybrid", "/hybrid/*traverse", ok),
    ):
        config.add_route(name, pattern)
        config.add_view(view, route_name=name)
    config.include(included, route_prefix="tree")
    config.add_static_view("static", str(folder))
    config.add_view(ok, context=Folder)
    config.add_view(ok, context=Folder, name="edit")
    config.add_view(ok, context=Folder, name="posted", request_method="POST")
    config.add_exception_view(lambda error, request: Response(status=409), LookupError)
    config.add_exception_view(lambda error, request: Response(status=500), OSError)
    return config.make_wsgi_app()


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/items/3", r"GET /items/{number:\d+} 200"),
        ("/bare", "GET /bare 200"),
        ("/tree/deep/leaf/x", "GET /tree/deep/leaf/{x} 200"),
        ("/static/a.txt", "GET /static/*subpath 200"),
        ("/static/none", "GET /static/*subpath 404"),
        ("/fail/http", "GET /fail/{kind} 403"),
        ("/fail/server", "GET /fail/{kind} 503 503"),
        ("/fail/handled", "GET /fail/{kind} 409"),
        ("/fail/lost", "GET /fail/{kind} 500 OSError"),
        ("/stream", "GET /stream 200"),
        ("/sub", "GET /sub 200"),
        ("/pyramid/things/x", "GET /pyramid/things/{thing} 200"),
        ("/pyramid/nothing", "GET /pyramid 404"),
        ("/flask/things/x", "GET /flask/things/<thing> 200"),
        ("/things/x", "GET /things/<thing> 200"),
        ("/hybrid/a/b", "GET /hybrid/*traverse 200"),
        ("/", "GET /*traverse 200"),
        ("/a/b", "GET /*traverse 200"),
        ("/a/b/edit", "GET /*traverse/edit 200"),
        ("/a/b/posted", "GET /*traverse/posted 404"),
        ("/a/none", "GET unmatched 404"),
        ("/none/at/all", "GET unmatched 404"),
    ],
)
def test_a_request_counts_by_its_pattern(
    numbers: Numbers, tmp_path: Path, path: str, recorded: str
) -> None:
    """With prefixes of includes and mounts; traversed ones by their view, never by their path."""
    (tmp_path / "a.txt").write_text("a")
    assert get(application(tmp_path), path) == int(recorded.split()[2])

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_an_exception_without_a_view_is_a_500_with_its_class(
    numbers: Numbers, tmp_path: Path
) -> None:
    """Pyramid hands it to the server."""
    with pytest.raises(OverflowError) as caught:
        get(failing(OverflowError), "/")

    assert caught.traceback[-1].name == "fail"
    assert numbers.counts() == {"GET /*traverse 500 OverflowError": 1}


def failing(kind: type[Exception]) -> Any:
    """An application whose one view raises."""
    config = Configurator()

    def fail(request: Any) -> Response:
        raise kind

    config.add_view(fail)
    return config.make_wsgi_app()


def test_an_exception_may_be_answered_by_any_wsgi_application(numbers: Numbers) -> None:
    """Pyramid asks no more of a response than to be called."""
    config = Configurator()
    config.add_route("fail", "/fail/{kind}")
    config.add_view(fails, route_name="fail")
    config.add_response_adapter(lambda app: app, flask.Flask)
    config.add_exception_view(lambda error, request: flask_application(), OSError)
    assert get(config.make_wsgi_app(), "/fail/lost") == 404

    assert numbers.counts() == {"GET /fail/{kind} 404": 1}


def test_what_a_view_does_not_find_keeps_the_views_name(numbers: Numbers) -> None:
    """It was the view that said so."""
    assert get(failing(HTTPNotFound), "/") == 404

    assert numbers.counts() == {"GET /*traverse 404": 1}


def test_a_stream_that_breaks_says_by_what(numbers: Numbers, tmp_path: Path) -> None:
    """After the headers: the sent status and the exception's class."""
    with pytest.raises(KeyError):
        get(application(tmp_path), "/stream?fail=1")

    assert numbers.counts() == {"GET /stream 200 KeyError": 1}


def test_an_event_stream_is_no_request(numbers: Numbers, tmp_path: Path) -> None:
    """It has a lifetime, by its pattern."""
    assert get(application(tmp_path), "/stream?events=1") == 200

    assert numbers.counts() == {}
    assert numbers.counts("sse.connection.duration") == {"/stream": 1}


def test_an_application_behind_a_dispatcher_has_its_mount_point(
    numbers: Numbers, tmp_path: Path
) -> None:
    """In the pattern, but not a prefix that a proxy has put there."""
    mounts: dict[str, Any] = {"/admin": application(tmp_path)}
    app = measured(DispatcherMiddleware(application(tmp_path), mounts))
    get(app, "/admin/bare", SCRIPT_NAME="/tenant7")
    get(app, "/bare")

    assert numbers.counts() == {"GET /admin/bare 200": 1, "GET /bare 200": 1}


def test_a_subrequest_of_its_own_is_not_counted(numbers: Numbers, tmp_path: Path) -> None:
    """It never reaches a server."""
    router = application(tmp_path)
    router.invoke_subrequest(Request.blank("/items/3"))

    assert numbers.counts() == {}
