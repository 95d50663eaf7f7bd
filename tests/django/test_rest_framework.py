"""Django REST framework: routes, errors and throttles of its views."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from unittest.mock import Mock

import pytest

from monagent.integrations import rest_framework
from tests.django.sending import get
from tests.http.numbers import Numbers

pytestmark = pytest.mark.skipif(not find_spec("rest_framework"), reason="is not installed")


@pytest.fixture(autouse=True)
def urls(numbers: Numbers) -> Any:
    """The patterns below are the project's; limits and caches are new."""
    from django.core.cache import cache
    from django.test import override_settings

    cache.clear()
    rest = {
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_THROTTLE_RATES": {"few": "2/hour", "many": "100/hour"},
        "EXCEPTION_HANDLER": "shop.rest_urls.handled",
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    }
    with override_settings(ROOT_URLCONF="shop.rest_urls", REST_FRAMEWORK=rest):
        yield


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/v1/", "GET /v1/ 200"),
        ("/v1/items/7/", "GET /v1/items/<pk>/ 200"),
        ("/v1/items/7.json", "GET /v1/items/<pk>.<format>/ 200"),
        ("/v1/items/7/parts/", "GET /v1/items/<pk>/parts/ 200"),
        ("/function", "GET /function 200"),
        ("/fails/value", "GET /fails/<kind> 500 ValueError"),
        ("/fails/own", "GET /fails/<kind> 500 rest_framework.exceptions.APIException"),
        ("/fails/handled", "GET /fails/<kind> 502 ZeroDivisionError"),
        ("/fails/missing", "GET /fails/<kind> 404"),
    ],
)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_view_counts_by_its_pattern_and_what_became_of_its_exception(
    numbers: Numbers, kind: str, path: str, recorded: str
) -> None:
    """Of routers with their suffixes and extra actions, of classes and functions."""
    get(kind, path)

    assert numbers.counts() == {recorded: 1}


def test_a_request_that_is_of_no_use_is_405(numbers: Numbers) -> None:
    """Whatever the framework's own exceptions say."""
    get("wsgi", "/function", "DELETE")

    assert numbers.counts() == {"DELETE /function 405": 1}


def decisions(numbers: Numbers) -> dict[str, float]:
    """Requests by "route limiter decision"."""
    found = {}
    for key, cells in numbers.series("rate_limit.requests").items():
        facts = dict(key)
        label = f"{facts['http.route']} {facts['limiter']} {facts['decision']}"
        found[label] = cells[0]
    return {label: count for label, count in found.items() if count}


def test_throttles_decide_once_for_a_request(numbers: Numbers) -> None:
    """However many a view has; a view without any asks none."""
    answers = [get("wsgi", "/limited").status for _ in range(3)]
    answers += [get("wsgi", "/scoped").status, get("wsgi", "/function").status]

    assert answers == [200, 200, 429, 200, 200]
    assert decisions(numbers) == {
        "/limited rest_framework allowed": 2,
        "/limited rest_framework limited": 1,
        "/scoped rest_framework allowed": 1,
    }
    assert numbers.total("rate_limit.violations") == 1
    assert numbers.counts()["GET /limited 429"] == 1


@pytest.mark.parametrize("path", ["/chosen/", "/bare/"])
def test_throttles_that_a_view_chooses_itself_decide(numbers: Numbers, path: str) -> None:
    """It is asked once, and stays as it was; where it chooses none, nobody decides."""
    answers = [get("wsgi", path + kind) for kind in ("few", "lazy", "few", "none", "nothing")]

    assert [answer.status for answer in answers] == [200, 200, 429, 200, 200]
    assert decisions(numbers) == {
        f"{path}<kind> rest_framework allowed": 2,
        f"{path}<kind> rest_framework limited": 1,
    }
    assert [b"get_throttles" in answer.body for answer in answers] == [False] * 5
    assert answers[0].body.startswith(b"[1,")


@pytest.mark.swallows
@pytest.mark.parametrize("name", ["Chosen", "route_of", "django_request"])
def test_throttles_of_a_view_decide_whatever_of_ours_fails(
    numbers: Numbers, swallowed: list[Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each part of the look at them alone."""
    monkeypatch.setattr(rest_framework, name, Mock(side_effect=ValueError("sabotage")))
    paths = ("/chosen/few", "/bare/lazy", "/chosen/few", "/limited", "/chosen/none")
    answers = [get("wsgi", path) for path in paths]

    assert [answer.status for answer in answers] == [200, 200, 429, 429, 200]
    assert swallowed


def test_a_client_that_has_used_up_its_limit_is_close_to_it(numbers: Numbers) -> None:
    """One client, two limits."""
    for _ in range(2):
        get("wsgi", "/limited")

    assert numbers.total("rate_limit.near_limit") == 1


def test_a_throttle_whose_store_fails_has_not_decided(numbers: Numbers) -> None:
    """The error is the view's, as before."""
    assert get("wsgi", "/broken").status == 500
    assert decisions(numbers) == {"/broken rest_framework error": 1}
    assert numbers.counts() == {"GET /broken 500 ConnectionError": 1}
