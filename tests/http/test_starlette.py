"""Starlette and FastAPI: the full template of whatever route took the request."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI

from monagent import settings
from monagent.instrument import hooks
from tests.http.asgi import body_of, exchange, run, status
from tests.http.numbers import Numbers

pytestmark = pytest.mark.usefixtures("numbers")


def nested(folder: Path) -> Any:
    """An application with every way to nest that Starlette and FastAPI know."""
    from fastapi import APIRouter
    from starlette.endpoints import HTTPEndpoint
    from starlette.responses import PlainTextResponse
    from starlette.routing import Host, Mount, Route, Router
    from starlette.staticfiles import StaticFiles

    async def plain(request: Any) -> PlainTextResponse:
        return PlainTextResponse("plain")

    class View(HTTPEndpoint):
        async def get(self, request: Any) -> PlainTextResponse:
            return PlainTextResponse("view")

    app = FastAPI()
    items = APIRouter(prefix="/items")

    @items.get("/{item_id}")
    async def item(item_id: int) -> int:
        return item_id

    version = APIRouter(prefix="/v1")
    version.include_router(items)
    version.add_route("/plain", plain)
    app.include_router(version, prefix="/api")

    @app.get("/")
    async def root() -> str:
        return "root"

    inner = FastAPI()

    @inner.get("/leaf/{leaf}")
    def leaf(leaf: str) -> str:
        return leaf

    middle = FastAPI()
    middle.mount("/middle/{tenant}", inner)
    app.mount("/outer", middle)
    app.mount("/files", StaticFiles(directory=folder))
    app.mount("/view", Router([Route("/class", View), Mount("/deep", routes=[Route("/r", plain)])]))
    app.router.routes.append(Host("api.example.org", Router([Route("/hosted/{x}", plain)])))
    return app


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/", "GET / 200"),
        ("/api/v1/items/7", "GET /api/v1/items/{item_id} 200"),
        ("/api/v1/items/x", "GET /api/v1/items/{item_id} 422"),
        ("/api/plain", "GET /api/plain 200"),
        ("/outer/middle/acme/leaf/1", "GET /outer/middle/{tenant}/leaf/{leaf} 200"),
        ("/outer/nothing", "GET /outer 404"),
        ("/files/a.txt", "GET /files 200"),
        ("/files/b.txt", "GET /files 404"),
        ("/view/class", "GET /view/class 200"),
        ("/view/deep/r", "GET /view/deep/r 200"),
        ("/nothing/here", "GET unmatched 404"),
        ("/api/plain/", "GET unmatched 307"),
        ("/openapi.json", "GET /openapi.json 200"),
    ],
)
def test_a_template_is_composed_of_all_that_was_passed(
    numbers: Numbers, tmp_path: Path, path: str, recorded: str
) -> None:
    """Prefixes, mounts three deep with parameters, static files, class views."""
    (tmp_path / "a.txt").write_text("a")
    run(nested(tmp_path), path)

    assert numbers.counts() == {recorded: 1}


def test_a_host_route_counts_by_its_path(numbers: Numbers, tmp_path: Path) -> None:
    """Routes of a host have no path of their own."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Host, Route, Router

    async def hosted(request: Any) -> PlainTextResponse:
        return PlainTextResponse("hosted")

    app = Starlette(routes=[Host("testserver", Router([Route("/hosted/{x}", hosted)]))])
    run(app, "/hosted/1")

    assert numbers.counts() == {"GET /hosted/{x} 200": 1}


def test_wrong_and_unknown_methods_keep_the_route(numbers: Numbers, tmp_path: Path) -> None:
    """405 is the route's answer."""
    app = nested(tmp_path)
    run(app, "/", "DELETE")
    run(app, "/", "BREW")

    assert numbers.counts() == {"DELETE / 405": 1, "_OTHER / 405": 1}


def test_an_unhandled_exception_is_500_by_its_class(numbers: Numbers) -> None:
    """And a handled one is the status its handler gives."""
    from fastapi import HTTPException
    from starlette.responses import PlainTextResponse

    app = FastAPI()

    @app.exception_handler(KeyError)
    async def handle(request: Any, error: KeyError) -> PlainTextResponse:
        return PlainTextResponse("handled", 418)

    @app.get("/{kind}")
    async def fail(kind: str) -> None:
        raise {"value": ValueError(), "key": KeyError(), "http": HTTPException(403)}[kind]

    with pytest.raises(ValueError):
        run(app, "/value")
    run(app, "/key")
    run(app, "/http")

    assert numbers.counts() == {
        "GET /{kind} 500 ValueError": 1,
        "GET /{kind} 418": 1,
        "GET /{kind} 403": 1,
    }


def test_a_scan_makes_one_series(numbers: Numbers, tmp_path: Path) -> None:
    """A thousand random paths, and a known route beside them."""
    app = nested(tmp_path)

    async def scan() -> None:
        for number in range(1000):
            await exchange(app, path=f"/wp-{number}/admin.php")
        await exchange(app)

    asyncio.run(scan())

    assert numbers.counts() == {"GET unmatched 404": 1000, "GET / 200": 1}


def test_custom_routes_without_a_path_answer_as_before(numbers: Numbers) -> None:
    """B2: a route may lack what routes usually have."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import BaseRoute, Match, Mount, Route

    class Custom(BaseRoute):
        def matches(self, scope: Any) -> Any:
            return Match.FULL, {}

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("custom")(scope, receive, send)

    async def endpoint(request: Any) -> PlainTextResponse:
        return PlainTextResponse("bare")

    bare = Route("/bare", endpoint)
    del bare.path
    mount = Mount("/mount", app=Starlette(routes=[Custom()]))
    del mount.path
    app = Starlette(routes=[bare, mount, Custom()])

    answers = [body_of(run(app, path)) for path in ("/bare", "/mount/x", "/else")]

    assert answers == [b"bare", b"custom", b"custom"]
    assert numbers.counts() == {"GET unmatched 200": 3}


def test_middleware_that_copies_the_scope_hides_no_route(numbers: Numbers, tmp_path: Path) -> None:
    """Some hand on a copy."""
    from starlette.applications import Starlette

    class Copies:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(dict(scope), receive, send)

    app = nested(tmp_path)
    app.add_middleware(Copies)
    assert isinstance(app, Starlette)
    run(app, "/api/v1/items/7")

    assert numbers.counts() == {"GET /api/v1/items/{item_id} 200": 1}


def test_an_application_in_another_counts_once(numbers: Numbers) -> None:
    """Also one that is mounted as its own middleware's application."""
    from starlette.middleware.gzip import GZipMiddleware

    inner, outer = FastAPI(), FastAPI()

    @inner.get("/x")
    def x() -> str:
        return "x" * 2000

    outer.mount("/inner", GZipMiddleware(inner))
    run(outer, "/inner/x", headers=[(b"accept-encoding", b"gzip")])

    assert numbers.counts() == {"GET /inner/x 200": 1}
    assert 0 < numbers.sums("http.server.response.body.size")["/inner/x"] < 500


def test_applications_of_the_other_kind_count_once(numbers: Numbers) -> None:
    """Flask in Starlette and FastAPI in Flask, by a2wsgi; the inner one adds its route."""
    import a2wsgi
    import flask
    from starlette.applications import Starlette
    from starlette.routing import Mount

    inner_flask, outer_flask, inner_fastapi = flask.Flask("inner"), flask.Flask("outer"), FastAPI()

    @inner_flask.get("/user/<name>")
    def user(name: str) -> str:
        return name

    @inner_fastapi.get("/item/{item}")
    async def item(item: str) -> str:
        return item

    starlette = Starlette(routes=[Mount("/legacy", a2wsgi.WSGIMiddleware(inner_flask))])  # type: ignore[arg-type]  # it takes Flask
    outer_flask.wsgi_app = a2wsgi.ASGIMiddleware(inner_fastapi)  # type: ignore[method-assign, assignment, arg-type]
    assert body_of(run(starlette, "/legacy/user/bob")) == b"bob"
    with outer_flask.test_client().get("/item/1") as answer:
        assert answer.get_data() == b'"1"'

    assert numbers.counts() == {"GET /legacy/user/<name> 200": 1, "GET /item/{item} 200": 1}


def test_flask_inside_starlettes_own_middleware_adds_its_rule(numbers: Numbers) -> None:
    """Through WSGIMiddleware, whose environ has no way back to the scope."""
    import flask
    from starlette.applications import Starlette
    from starlette.routing import Mount

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.middleware.wsgi import WSGIMiddleware

    inner = flask.Flask("inner")

    @inner.get("/user/<name>")
    def user(name: str) -> str:
        return name

    app = Starlette(routes=[Mount("/legacy", WSGIMiddleware(inner))])
    assert body_of(run(app, "/legacy/user/bob")) == b"bob"
    run(app, "/legacy/none")

    assert numbers.counts() == {"GET /legacy/user/<name> 200": 1, "GET /legacy 404": 1}


def test_a_background_task_is_no_part_of_the_duration(numbers: Numbers) -> None:
    """Starlette runs them after the last byte."""
    app = FastAPI()
    seen = []

    @app.get("/")
    async def root(tasks: BackgroundTasks) -> str:
        tasks.add_task(lambda: seen.append(numbers.counts()))
        return "done"

    run(app)

    assert seen == [{"GET / 200": 1}]


def test_patched_callables_pass_for_what_they_are() -> None:
    """Kind, signature, names, docs, pickling and subclasses."""
    from starlette.applications import Starlette
    from starlette.routing import Mount, Route, Router

    for owner in (Starlette, Route, Mount):
        name = "__call__" if owner is Starlette else "handle"
        function = vars(owner)[name]
        original = function.__wrapped__
        assert type(function) is type(original)
        assert inspect.iscoroutinefunction(function)
        assert inspect.signature(function) == inspect.signature(original)
        assert inspect.getfullargspec(function) == inspect.getfullargspec(original)
        assert function.__qualname__ == original.__qualname__
        assert function.__doc__ == original.__doc__
        assert pickle.loads(pickle.dumps(function)) is function

    class Own(FastAPI):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)

    assert status(run(Own(), "/none")) == 404
    assert isinstance(Own().router, Router)


def test_a_front_end_is_one_route(numbers: Numbers, tmp_path: Path) -> None:
    """However many files it has, and under its prefixes."""
    from fastapi import APIRouter

    if not hasattr(APIRouter, "frontend"):
        pytest.skip("this FastAPI serves no front ends")
    for name in ("index.html", "app.js"):
        (tmp_path / name).write_text(name)
    router, app = APIRouter(), FastAPI()
    router.frontend("/ui", directory=tmp_path)
    app.include_router(router, prefix="/web")
    for path in ("/web/ui/", "/web/ui/app.js", "/web/ui/none.js"):
        run(app, path)

    assert numbers.counts() == {"GET /web/ui/{path} 200": 2, "GET /web/ui/{path} 404": 1}


@pytest.mark.parametrize(
    ("environ", "counted"),
    [
        ({"MONAGENT_ENABLE_ONLY": "fastapi"}, {"GET /outer 404": 1}),
        ({"MONAGENT_ENABLE_ONLY": "uvicorn"}, {}),
        ({"MONAGENT_FASTAPI": "off"}, {}),
        ({"MONAGENT_DISABLE": "starlette"}, {}),
        ({"MONAGENT_DISABLE": "http"}, {}),
        ({"MONAGENT_DISABLE": "flask"}, {"GET /outer 404": 1}),
    ],
)
def test_switching_one_library_off_or_on_means_its_applications(
    numbers: Numbers, tmp_path: Path, environ: dict[str, str], counted: dict[str, int]
) -> None:
    """FastAPI needs Starlette's integration; switching either off leaves FastAPI alone."""
    hooks.uninstall()
    found = settings.load(environ)
    settings.use(found)
    hooks.modes[:] = [found.library]
    hooks.install()
    run(nested(tmp_path), "/outer/x")

    assert numbers.counts() == counted


def test_a_programs_own_entry_in_the_scope_is_no_context_of_fastapi(numbers: Numbers) -> None:
    """FastAPI has kept something under its name since 0.137; before, anybody could."""
    from monagent.conventions._exchange import KEY, Exchange
    from monagent.integrations import fastapi

    request = Exchange()
    fastapi.included({"fastapi": FastAPI(), KEY: request})

    assert request.route == "unmatched"


def test_fastapis_own_telemetry_stays_as_it_is(numbers: Numbers) -> None:
    """With the application's meter provider: its numbers there, ours here, each request once."""
    pytest.importorskip("fastapi.telemetry", reason="this FastAPI has none")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    app = FastAPI(telemetry={"meter_provider": provider})

    @app.get("/x")
    async def x() -> str:
        return "x"

    for _ in range(3):
        run(app, "/x")
    metrics = {
        metric.name: metric
        for resource in reader.get_metrics_data().resource_metrics  # type: ignore[union-attr]
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    provider.shutdown()
    points = list(metrics["http.server.request.duration"].data.data_points)

    assert [point.count for point in points] == [3]
    assert numbers.counts() == {"GET /x 200": 3}
