"""The small project in this process, recorded into a shard of the test's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http.numbers import Numbers

PROJECT = Path(__file__).parent / "project"
WATCHED = frozenset(
    (
        "channels",
        "django",
        "django_ratelimit",
        "ninja",
        "rest_framework",
        "sqlite3",
        "starlette",
        "werkzeug",
        "whitenoise",
    )
)
"""What these tests are about; nothing else is hooked."""


@pytest.fixture(scope="session", autouse=True)
def project() -> Iterator[Path]:
    """Its settings are the process's; gives its folder."""
    sys.path.insert(0, str(PROJECT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    import django

    django.setup()
    del os.environ["DJANGO_SETTINGS_MODULE"]
    yield PROJECT
    sys.path.remove(str(PROJECT))


@pytest.fixture
def numbers(project: Path, tmp_path: Path) -> Iterator[Numbers]:
    """What was recorded since the test began."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    metrics.use(metrics.Recording(Shard(str(state))))
    hooks.modes.append(lambda library: "on" if library in WATCHED else "off")
    hooks.install()
    yield Numbers(str(state))
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())
