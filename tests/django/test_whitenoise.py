"""WhiteNoise: its files are one route, in Django's middleware and around any WSGI application."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.django.conftest import PROJECT
from tests.django.sending import KINDS, application, get, send
from tests.http.numbers import Numbers

pytestmark = pytest.mark.skipif(not find_spec("whitenoise"), reason="is not installed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("url", ["/static/", "https://files.example/static/"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_files_of_the_middleware_are_one_route(
    numbers: Numbers, tmp_path: Path, kind: str, url: str
) -> None:
    """Those of the site's root another; what is not there is asked of the application."""
    from django.conf import settings
    from django.test import override_settings

    (tmp_path / "robots.txt").write_text("none")
    with override_settings(
        STATIC_URL=url,
        STATIC_ROOT=str(PROJECT / "shop" / "static"),
        WHITENOISE_ROOT=str(tmp_path),
        MIDDLEWARE=["whitenoise.middleware.WhiteNoiseMiddleware", *settings.MIDDLEWARE],
    ):
        paths = ("/static/x.txt", "/robots.txt", "/items/7/", "/static/none")
        answers = [get(kind, path) for path in paths]

    assert [answer.status for answer in answers] == [200, 200, 200, 404]
    assert answers[0].body == b"served\n"
    assert numbers.counts() == {
        "GET /static/<path> 200": 1,
        "GET /<path> 200": 1,
        "GET /items/<int:pk>/ 200": 1,
        "GET unmatched 404": 1,
    }


def test_files_around_an_application_are_one_route(numbers: Numbers) -> None:
    """As a server would measure it."""
    from whitenoise import WhiteNoise

    from monagent.integrations._wsgi import measured

    inner = application("wsgi")
    around: Any = measured(WhiteNoise(inner, root=str(PROJECT / "shop" / "static")))

    assert send("wsgi", around, "/x.txt").body == b"served\n"
    assert send("wsgi", around, "/items/7/").status == 200
    assert numbers.counts() == {"GET /<path> 200": 1, "GET /items/<int:pk>/ 200": 1}
