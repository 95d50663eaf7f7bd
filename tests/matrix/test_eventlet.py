"""gunicorn's eventlet workers, which its releases before 26 have, put to the same scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made
from tests.matrix.held import adds_up, counts_once
from tests.matrix.scenarios import apps
from tests.matrix.servers import run, scenarios

SERVER = "gunicorn-eventlet"
BESIDE = ["gunicorn<26", "eventlet", "flask", "wrapt", "opentelemetry-api"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flask_app", "bare_wsgi"])
def test_requests_to_eventlet_workers_count_once_as_what_they_were(
    name: str, tmp_path: Path
) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, *BESIDE)
    app = next(one for one in apps() if one.module == name)

    served = run(app, SERVER, tmp_path, python)

    for scenario in scenarios(app, SERVER):
        counts_once(served, app, scenario)
    adds_up(served)
