"""What must hold of every run of a server."""

from __future__ import annotations

from tests.matrix.scenarios import SCENARIOS, App
from tests.matrix.servers import Run


def counts_once(served: Run, app: App, scenario: str) -> None:
    """The request of a scenario is recorded as what it was."""
    expected = app.scenario(scenario)
    answer, recorded = served.seen[scenario]
    facts = (expected.method, expected.route, expected.status, expected.error)
    request = {" ".join(str(one) for one in facts if one is not None): 1}
    opens = {f"{expected.route}{what}": count for what, count in (expected.opens or {}).items()}

    assert recorded.requests == ({} if opens else request)
    assert recorded.opened == opens
    assert recorded.active == 0
    assert recorded.received == expected.upload
    assert answer.status == expected.status
    assert len(answer.body) >= expected.size
    if expected.answer is not None:
        assert answer.body == expected.answer
    if expected.whole and not opens:
        assert recorded.sent == len(answer.body)
    if expected.leaves:
        assert recorded.sent >= len(answer.body) > 0
    assert expected.longer <= recorded.seconds < expected.shorter


def adds_up(served: Run) -> None:
    """All requests together are as many as were sent."""
    requests = [one for one in served.seen if SCENARIOS[one].opens is None]

    assert sum(served.total.requests.values()) == len(requests)
    assert served.total.active == 0
    assert "monagent:" not in served.output
