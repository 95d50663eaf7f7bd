"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
# Django 3.2 has no release that runs on every Python of ours; it was held by hand, on 3.10.
OLDEST = ["django==4.2", "djangorestframework==3.14.0", "django-ninja==1.0"]
OLDEST += ["django-ratelimit==4.0.0", "whitenoise==6.0.0", "channels==4.0.0", "daphne==4.0.0"]
NEEDED = ["pytest", "wrapt", "opentelemetry-api", "prometheus-client", "websockets"]
FILES = ["test_requests", "test_rest_framework", "test_ninja", "test_ratelimit", "test_whitenoise"]
FILES += ["test_servers"]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, *NEEDED, *OLDEST)
    tests = [str(HERE / f"{file}.py") for file in FILES]
    environ = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    # Old releases warn of old interpreters' ways.
    passes(python, "-W", "default", *tests, environ=environ)
