"""Django: each request counts once, by the pattern that took it, through either entry."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.django.sending import KINDS, application, get, send
from tests.http.asgi import run
from tests.http.numbers import Numbers

pytestmark = [
    pytest.mark.usefixtures("numbers"),
    # Django's advice about iterators that ASGI cannot await.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]

ITEMS = "/api/<slug:tenant>/items"
REQUESTS = [
    ("/", "GET / 200"),
    ("/api/t1/items/7/", f"GET {ITEMS}/<int:pk>/ 200"),
    ("/api/t1/items/2024-05.json", f"GET {ITEMS}/<year>-<month>.<format>/ 200"),
    ("/api/t1/items/later/7/", f"GET {ITEMS}/later/<int:pk>/ 200"),
    ("/items/page/7", "GET /items/page/<var> 200"),
    ("/items/7", "GET unmatched 301"),
    ("/nothing", "GET unmatched 404"),
    ("/news/7/", "GET /news/<int:pk>/ 200"),
    ("/de/news/7/", "GET /<language>/news/<int:pk>/ 200"),
    ("/fr/news/8/", "GET /<language>/news/<int:pk>/ 200"),
    ("/fails/value", "GET /fails/<kind> 500 ValueError"),
    ("/fails/later/value", "GET /fails/later/<kind> 500 ValueError"),
    ("/fails/missing", "GET /fails/<kind> 404"),
    ("/fails/later/missing", "GET /fails/later/<kind> 404"),
    ("/fails/denied", "GET /fails/<kind> 403"),
    ("/fails/suspicious", "GET /fails/<kind> 400"),
    ("/fails/value?middleware=answers", "GET /fails/<kind> 503 503"),
    ("/fails/value?middleware=rescues", "GET /fails/<kind> 200"),
    ("/?middleware=raises", "GET unmatched 500 LookupError"),
    ("/unavailable", "GET /unavailable 503 503"),
    ("/file", "GET /file 200"),
    ("/stream/whole", "GET /stream/<kind> 200"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("path", "recorded"), REQUESTS, ids=[path for path, _ in REQUESTS])
def test_a_request_counts_by_its_pattern(
    numbers: Numbers, kind: str, path: str, recorded: str
) -> None:
    """Prefixes, converters, regular expressions, languages; errors as Django answers them."""
    get(kind, path)

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_foreign_host_is_refused_as_before(numbers: Numbers) -> None:
    """Before any pattern is tried."""
    foreign = [(b"host", b"foreign.example")]
    sent = run(application("asgi"), "/items/7", headers=foreign)

    assert sent[0]["status"] == 400
    assert numbers.counts() == {"GET unmatched 400": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_static_files_are_one_route(numbers: Numbers, kind: str) -> None:
    """Those that are not there, too; the application behind is asked for the rest."""
    app = application(kind, static=True)
    answers = [send(kind, app, path) for path in ("/static/x.txt", "/static/none", "/")]

    assert [answer.status for answer in answers] == [200, 404, 200]
    assert answers[0].body == b"served\n"
    assert numbers.counts() == {
        "GET /static/<path> 200": 1,
        "GET /static/<path> 404": 1,
        "GET / 200": 1,
    }
    assert numbers.sums("http.server.response.body.size")["/static/<path>"] >= len("served\n")


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_are_measured_in_both_directions(numbers: Numbers, kind: str) -> None:
    """Per request."""
    assert get(kind, "/echo", "POST", b"x" * 3000).body == b"x" * 3000
    get(kind, "/file")

    assert numbers.sums("http.server.request.body.size") == {"/echo": 3000, "/file": 0}
    assert numbers.sums("http.server.response.body.size") == {"/echo": 3000, "/file": 7}


@pytest.fixture
def leaves_files() -> Iterator[None]:
    """Django's ASGI entry does not close what holds the request's body when an error passes it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.usefixtures("leaves_files")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_breaks_says_by_what(numbers: Numbers, kind: str) -> None:
    """After the headers: the sent status and the exception's class."""
    with pytest.raises(ValueError):
        get(kind, "/stream/breaks")

    assert numbers.counts() == {"GET /stream/<kind> 200 ValueError": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_stream_is_no_request(numbers: Numbers, kind: str) -> None:
    """It has its route when it begins."""
    get(kind, "/stream/events")

    assert numbers.counts() == {}
    sent = numbers.series("sse.events.sent")
    assert [dict(key)["http.route"] for key in sent] == ["/stream/<kind>"]
    assert numbers.total("sse.events.sent") == 2


@pytest.mark.usefixtures("leaves_files")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_that_django_lets_pass_is_counted(numbers: Numbers, kind: str) -> None:
    """With DEBUG_PROPAGATE_EXCEPTIONS it comes out as it was raised."""
    from django.test import override_settings

    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(ValueError) as caught:
        get(kind, "/fails/value")

    assert caught.traceback[-1].name == "fails"
    assert numbers.counts() == {"GET /fails/<kind> 500 ValueError": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_an_error_names_no_frame_of_ours_below_the_view(
    numbers: Numbers, kind: str
) -> None:
    """While debugging."""
    from django.test import override_settings

    with override_settings(DEBUG=True):
        page = get(kind, "/fails/value").body

    assert b"ValueError" in page
    assert b"integrations/django.py" not in page
    assert numbers.counts() == {"GET /fails/<kind> 500 ValueError": 1}


def test_a_client_that_leaves_is_told_apart(numbers: Numbers) -> None:
    """While Django reads its body, or waits for its view."""
    app = application("asgi")
    run(app, "/echo", "POST", gone_after=0)

    assert numbers.counts() == {"POST unmatched 499 client_disconnected": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_another_list_of_patterns_for_a_request_is_followed(numbers: Numbers) -> None:
    """Middleware may set `request.urlconf`; two lists may have the same pattern."""
    from django.test import override_settings

    with override_settings(ROOT_URLCONF="tests.django.test_requests"):
        get("wsgi", "/other/7")

    assert numbers.counts() == {"GET /other/<int:pk> 200": 1}


def __getattr__(name: str) -> Any:
    """`urlpatterns` for Django, which must not be imported before its settings are."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.urls import path
    from shop import views

    return [path("other/<int:pk>", views.item)]


def test_an_application_below_a_mount_has_its_prefix(numbers: Numbers) -> None:
    """Starlette's, or that of a dispatcher behind a proxy's."""
    pytest.importorskip("starlette")
    pytest.importorskip("werkzeug")
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.test import Client

    from monagent.integrations._wsgi import measured

    run(Starlette(routes=[Mount("/inner", application("asgi"))]), "/inner/items/7/")
    mounts: dict[str, Any] = {"/admin": application("wsgi")}
    client = Client(measured(DispatcherMiddleware(application("wsgi"), mounts)))
    proxied = {"SCRIPT_NAME": "/tenant7", "HTTP_HOST": "testserver"}
    client.get("/admin/items/7/", environ_overrides=proxied).get_data()

    assert numbers.counts() == {
        "GET /inner/items/<int:pk>/ 200": 1,
        "GET /admin/items/<int:pk>/ 200": 1,
    }


def test_the_test_client_works_as_before_and_is_no_server(numbers: Numbers) -> None:
    """It gets past the entries that servers call; its exceptions come out."""
    from django.test import Client

    answer = Client().get("/items/7/")

    assert answer.content == b"of a class 7"
    assert answer.resolver_match.route == "items/<int:pk>/"
    with pytest.raises(ValueError):
        Client().get("/fails/value")
    assert numbers.counts() == {}


def test_the_asynchronous_test_client_works_as_before(numbers: Numbers) -> None:
    """The same for the other entry."""
    import asyncio

    from django.test import AsyncClient

    answer = asyncio.run(AsyncClient().get("/items/later/7/"))

    assert answer.content == b"later 7"
    assert numbers.counts() == {}


def test_scanners_add_one_series(numbers: Numbers) -> None:
    """Whatever paths they try, and however many numbers they put into one that is there."""
    app = application("wsgi")
    for number in range(200):
        send("wsgi", app, f"/none/{number}")
        send("wsgi", app, f"/items/{number}/")

    assert numbers.counts() == {"GET unmatched 404": 200, "GET /items/<int:pk>/ 200": 200}


@pytest.fixture
def own_resolver() -> Iterator[None]:
    """A resolver of the application's own whose matches have no route."""
    from django.urls.resolvers import URLResolver

    original = URLResolver.resolve

    def resolve(self: Any, path: Any) -> Any:
        match = original(self, path)
        if str(self.pattern) == "^/":
            match.route = None
        return match

    URLResolver.resolve = resolve
    yield
    URLResolver.resolve = original


@pytest.mark.usefixtures("own_resolver")
@pytest.mark.parametrize("kind", KINDS)
def test_a_match_without_a_route_is_answered_all_the_same(numbers: Numbers, kind: str) -> None:
    """Under the constant label."""
    assert get(kind, "/items/7/").body == b"of a class 7"
    assert numbers.counts() == {"GET unmatched 200": 1}
