"""Every framework under every server: each request counts once, as what the client saw."""

from __future__ import annotations

import pytest

from tests.matrix.scenarios import SCENARIOS, App, apps
from tests.matrix.servers import Run, run, scenarios

Pair = tuple[App, str]

PAIRS = [(app, server) for app in apps() for server in app.servers]
IDS = [f"{app.module.removesuffix('_app')}-{server}" for app, server in PAIRS]
CASES = [
    pytest.param(pair, scenario, id=f"{identity}-{scenario}")
    for pair, identity in zip(PAIRS, IDS, strict=True)
    for scenario in scenarios(*pair)
]


@pytest.fixture(scope="module")
def runs() -> dict[Pair, Run]:
    """What is known already: one run of a server serves all tests that look at it."""
    return {}


@pytest.fixture
def served(
    request: pytest.FixtureRequest,
    runs: dict[Pair, Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """The run of an application under a server."""
    app, server = pair = request.param
    if app.missing:
        pytest.skip(f"needs {', '.join(app.missing)}")
    if pair not in runs:
        runs[pair] = run(app, server, tmp_path_factory.mktemp(f"{app.module}-{server}"))
    return runs[pair]


@pytest.fixture
def app(request: pytest.FixtureRequest) -> App:
    """The application that is served."""
    found: App = request.node.callspec.params["served"][0]
    return found


@pytest.mark.parametrize(("served", "scenario"), CASES, indirect=["served"])
def test_a_request_is_counted_once_as_what_it_was(served: Run, app: App, scenario: str) -> None:
    """Method, route, status, kind of error, sizes; the time without what comes after it."""
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


@pytest.mark.parametrize("served", PAIRS, ids=IDS, indirect=True)
def test_all_requests_together_are_as_many_as_were_sent(served: Run) -> None:
    """Nothing is counted later a second time, nobody stays active, nothing was swallowed."""
    requests = [one for one in served.seen if SCENARIOS[one].opens is None]

    assert sum(served.total.requests.values()) == len(requests)
    assert served.total.active == 0
    assert "monagent:" not in served.output
