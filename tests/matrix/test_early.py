"""Bodies that raise: some servers have sent the head of an answer then, and some nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command import until
from tests.matrix.client import ask
from tests.matrix.scenarios import APPS, read
from tests.matrix.servers import DURATION, serving
from tests.recorded import counted

APP = read(APPS / "bare_wsgi.py")
OVER_ASGI = read(APPS / "bare_asgi.py")


@pytest.mark.parametrize("server", APP.servers)
def test_the_status_is_the_one_that_the_client_has_got(server: str, tmp_path: Path) -> None:
    """With the exception, whichever it is."""
    state = tmp_path / "state"
    with serving(APP, server, tmp_path) as port:
        answer = ask(port, "GET", "/early")
        until(lambda: counted(state).total(DURATION) == 1, "the request is counted")
    seen = counted(state)

    assert answer.status == (200 if server == "granian-wsgi" else 500)
    assert seen.by(DURATION, "http.response.status_code") == {str(answer.status): 1}
    assert seen.by(DURATION, "error.type") == {"ValueError": 1}


@pytest.mark.parametrize("server", APP.servers)
def test_a_body_that_breaks_off_has_the_status_that_the_client_has_got(
    server: str, tmp_path: Path
) -> None:
    """Until 0.15 hypercorn answers when it has the whole body, so it can say that it failed."""
    state = tmp_path / "state"
    with serving(APP, server, tmp_path) as port:
        answer = ask(port, "GET", "/late", patience=5)
        until(lambda: counted(state).total(DURATION) == 1, "the request is counted")
    seen = counted(state)

    assert seen.by(DURATION, "http.response.status_code") == {str(answer.status): 1}
    assert seen.by(DURATION, "error.type") == {"ValueError": 1}


@pytest.mark.parametrize("path", ["/early", "/bodiless"])
@pytest.mark.parametrize("server", OVER_ASGI.servers)
def test_over_asgi_too_the_status_is_the_one_that_the_client_has_got(
    server: str, path: str, tmp_path: Path
) -> None:
    """Whether the application raises before its body or only never sends one."""
    state = tmp_path / "state"
    with serving(OVER_ASGI, server, tmp_path) as port:
        answer = ask(port, "GET", path)
        until(lambda: counted(state).total(DURATION) == 1, "the request is counted")
    seen = counted(state)

    # granian answers 500, hypercorn until 0.16; gunicorn's own worker only closes the connection.
    assert seen.by(DURATION, "http.response.status_code") == {str(answer.status or 200): 1}
    error = "ValueError" if path == "/early" else "incomplete_response"
    assert seen.by(DURATION, "error.type") == {error: 1}
