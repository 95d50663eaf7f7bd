"""django-ratelimit: what its decorators decide."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from tests.django.sending import get
from tests.django.test_rest_framework import decisions
from tests.http.numbers import Numbers

pytestmark = pytest.mark.skipif(not find_spec("django_ratelimit"), reason="is not installed")


@pytest.fixture(autouse=True)
def urls(numbers: Numbers) -> Any:
    """The patterns below are the project's; caches are new."""
    from django.core.cache import cache
    from django.test import override_settings

    cache.clear()
    with override_settings(ROOT_URLCONF="shop.limited_urls"):
        yield


@pytest.mark.parametrize(
    ("path", "allowed", "limited", "answers"),
    [
        ("/twice", 2, 1, [200, 200, 403]),
        ("/inner", 2, 1, [200, 200, 403]),
        ("/passing", 1, 2, [200, 200, 200]),
        ("/asking", 1, 2, [200, 429, 429]),
    ],
)
def test_a_request_is_decided_about_once(
    numbers: Numbers, path: str, allowed: int, limited: int, answers: list[int]
) -> None:
    """Whichever of a view's limits refuses it, also where it is let through all the same."""
    assert [get("wsgi", path).status for _ in range(3)] == answers
    assert decisions(numbers) == {
        f"{path} django_ratelimit allowed": allowed,
        f"{path} django_ratelimit limited": limited,
    }


def test_a_limit_that_is_not_for_a_request_decides_nothing(numbers: Numbers) -> None:
    """Here, of another method."""
    assert get("wsgi", "/posts").status == 200
    assert decisions(numbers) == {}
