"""django-ninja: routes, errors and throttles of its operations."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from tests.django.sending import get
from tests.django.test_rest_framework import decisions
from tests.http.numbers import Numbers

pytestmark = pytest.mark.skipif(not find_spec("ninja"), reason="is not installed")


@pytest.fixture(autouse=True)
def urls(numbers: Numbers) -> Any:
    """The patterns below are the project's; caches are new."""
    from django.core.cache import cache
    from django.test import override_settings

    cache.clear()
    with override_settings(ROOT_URLCONF="shop.ninja_urls"):
        yield


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/api/items/7", "GET /api/items/<int:pk> 200"),
        ("/api/items/later/7", "GET /api/items/later/<pk> 200"),
        ("/api/items/later/x", "GET /api/items/later/<pk> 422"),
        ("/api/fails/value", "GET /api/fails/<kind> 500 ValueError"),
        ("/api/fails/http", "GET /api/fails/<kind> 418"),
        ("/api/fails/down", "GET /api/fails/<kind> 503 ninja.errors.HttpError"),
        ("/api/fails/handled", "GET /api/fails/<kind> 502 ZeroDivisionError"),
        ("/api/none", "GET unmatched 404"),
    ],
)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_an_operation_counts_by_its_path_and_what_became_of_its_exception(
    numbers: Numbers, kind: str, path: str, recorded: str
) -> None:
    """Of routers, with converters, synchronous and asynchronous."""
    get(kind, path)

    assert numbers.counts() == {recorded: 1}


def test_while_debugging_an_error_keeps_its_class(numbers: Numbers) -> None:
    """The framework answers it by itself then."""
    from django.test import override_settings

    with override_settings(DEBUG=True):
        get("wsgi", "/api/fails/value")

    assert numbers.counts() == {"GET /api/fails/<kind> 500 ValueError": 1}


@pytest.mark.parametrize(("kind", "path"), [("wsgi", "/limited"), ("asgi", "/limited/later")])
def test_throttles_decide_once_for_a_request(numbers: Numbers, kind: str, path: str) -> None:
    """However many an operation has."""
    pytest.importorskip("ninja.throttling", reason="since 1.2")
    answers = [get(kind, f"/api{path}").status for _ in range(3)]

    assert 429 in answers
    limited = answers.count(429)
    assert decisions(numbers) == {
        f"/api{path} ninja allowed": 3 - limited,
        f"/api{path} ninja limited": limited,
    }
    assert numbers.total("rate_limit.near_limit") == 1
