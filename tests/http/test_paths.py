"""Paths of applications without a router: what stands for them, and that it is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from monagent import settings
from monagent.conventions import _paths
from monagent.conventions._paths import PLACEHOLDERS, Paths, segment

ANY = st.one_of(
    st.text(max_size=200),
    st.from_regex(r"/[a-z0-9/.{}_@:-]{0,60}", fullmatch=True),
    st.lists(st.sampled_from(["api", "7", "TASK-1", "a.png", "é", "{id}", "{path}", "v2"])).map(
        "/".join
    ),
)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/api/tasks/TASK-123", "/api/tasks/{id}"),
        ("/users/42/posts/", "/users/{id}/posts"),
        ("/u/550e8400-e29b-41d4-a716-446655440000", "/u/{id}"),
        ("/commits/9fceb02d0ae598e95dc970b74767f19372d61af8", "/commits/{id}"),
        ("/commits/9fceb02", "/commits/9fceb02"),
        ("/c/9fceb02d", "/c/{id}"),
        ("/stays/facade", "/stays/facade"),
        ("/days/2024-01-31", "/days/{date}"),
        ("/days/2024-01-31T10:00:00.000Z", "/days/{date}"),
        ("/2024/01/31", "/{id}/{id}/{id}"),
        ("/customers/cus_NffrFeUfNV2Hib", "/customers/{id}"),
        ("/invoices/INV20240017.pdf", "/invoices/{id}.pdf"),
        ("/watch/dQw4w9WgXcQ7", "/watch/{id}"),
        ("/v1/s3/oauth2/mp3", "/v1/s3/oauth2/mp3"),
        ("/static/app.min.js", "/static/app.min.js"),
        ("/people/anna@example.com", "/people/{id}"),
        ("/tiles/3/52.5,13.4", "/tiles/{id}/{id}"),
        ("/search/zwei Worte", "/search/{value}"),
        ("/x/" + "y" * 65, "/x/{value}"),
        ("/a/b/c/d/e/f/g/h/i/j/k/l", "/a/b/c/d/e/f/g/h/i/j/{path}"),
    ],
)
def test_ids_dates_and_tokens_become_placeholders(path: str, route: str) -> None:
    """Words, versions and names of files stay."""
    assert Paths().route_of(path) == route


def test_patterns_of_the_user_come_first() -> None:
    """A parameter is one segment, an open end is one or more; the first that fits is the route."""
    paths = Paths(("/shops/{shop}", "/{any}/about", "/files/{name:path}"))

    assert paths.route_of("/shops/corner") == "/shops/{shop}"
    assert paths.route_of("/shops/corner/7") == "/shops/corner/{id}"
    assert paths.route_of("/shops/about") == "/shops/{shop}"
    assert paths.route_of("/team/about") == "/{any}/about"
    assert paths.route_of("/files/a/b/c.txt") == "/files/{name:path}"
    assert paths.route_of("/files") == "/files"


def test_beyond_the_cap_of_a_place_values_are_one() -> None:
    """What came first stays, and so does what follows it; other places are not concerned."""
    paths = Paths(most_values=2)
    words = [paths.route_of(f"/shops/{word}/open") for word in ("anna", "bert", "carl", "dora")]

    assert words == ["/shops/anna/open", "/shops/bert/open", *["/shops/{value}/open"] * 2]
    assert paths.route_of("/shops/anna/open") == "/shops/anna/open"
    assert paths.route_of("/shops/7") == "/shops/{id}"
    assert paths.route_of("/users/carl") == "/users/carl"


def test_too_many_branches_end_in_an_open_path() -> None:
    """Each beginning that is known has one such route."""
    paths = Paths(most_branches=3)
    paths.route_of("/a/b/c")

    assert paths.route_of("/a/b/d/e") == "/a/b/{path}"
    assert paths.route_of("/x") == "/{path}"
    assert paths.route_of("/a/b/c") == "/a/b/c"


@examples(deadline=None)
@given(ANY)
def test_no_text_breaks_it_and_what_it_gives_is_a_route(path: str) -> None:
    """A leading slash, bounded length, and nothing that a label could not hold."""
    route = Paths().route_of(path)

    assert route.startswith("/")
    assert len(route) <= (_paths.DEEPEST + 1) * (_paths.LONGEST + 1)
    assert route.isascii() and route.isprintable()


@examples(deadline=None)
@given(st.lists(ANY, max_size=60))
def test_a_route_is_its_own_route(asked: list[str]) -> None:
    """Also while the caps are being reached."""
    paths = Paths(("/api/{what}",), most_values=3, most_branches=12)
    routes = [paths.route_of(path) for path in asked]

    assert [paths.route_of(route) for route in routes] == routes
    assert [paths.route_of(path) for path in asked] == routes


@examples(deadline=None)
@given(st.text(max_size=80))
def test_a_segment_stands_for_itself_once_it_is_grouped(text: str) -> None:
    """Grouping again changes nothing."""
    grouped = segment(text)

    assert segment(grouped) == grouped
    assert grouped == text or grouped.partition("}")[0] + "}" in PLACEHOLDERS


@examples(deadline=None)
@given(st.lists(ANY, min_size=100, max_size=200))
def test_routes_are_bounded_whatever_is_asked_for(asked: list[str]) -> None:
    """By the branches, each of which is a route and may have an open end."""
    paths = Paths(most_values=5, most_branches=10)

    assert len({paths.route_of(path) for path in asked}) <= 2 * (10 + 1)


def test_a_hundred_thousand_paths_fill_no_memory() -> None:
    """The cache of paths is bounded as the routes are."""
    paths = Paths()
    routes = {
        paths.route_of(f"/{number % 977}-x/{number:x}y/{number}") for number in range(100_000)
    }

    assert len(routes) <= 2 * (_paths.MOST_BRANCHES + 1)
    assert len(paths._routes) <= 5000


def test_the_settings_say_whether_and_how() -> None:
    """Off unless asked for; a new setting is heard."""
    settings.use(settings.load({}))
    assert not _paths.wanted()
    assert _paths.route_of("/shops/corner") == "/shops/corner"

    chosen = {"MONAGENT_HTTP_PATHS": "normalise", "MONAGENT_HTTP_PATH_PATTERNS": "/shops/{shop}"}
    settings.use(settings.load(chosen))
    assert _paths.wanted()
    assert _paths.route_of("/shops/corner") == "/shops/{shop}"
