"""WebSockets whose application raises before it accepts: servers do not agree on the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command import until
from tests.matrix.client import talk
from tests.matrix.scenarios import APPS, read
from tests.matrix.servers import DURATION, serving
from tests.recorded import counted

APP = read(APPS / "bare_asgi.py")


@pytest.mark.parametrize("server", APP.servers)
def test_a_handshake_that_nobody_answers_counts_as_what_its_client_sees(
    server: str, tmp_path: Path
) -> None:
    """By the status and the exception."""
    state = tmp_path / "state"
    with serving(APP, server, tmp_path) as port:
        answer = talk(port, "/unanswered")
        until(lambda: counted(state).total(DURATION) == 1, "the request is counted")
    seen = counted(state)

    assert answer.status == (403 if server == "granian" else 500)
    assert seen.by(DURATION, "http.response.status_code") == {str(answer.status): 1}
    assert seen.by(DURATION, "error.type") == {"ValueError": 1}
