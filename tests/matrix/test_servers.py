"""Every framework under every server: each request counts once, as what the client saw."""

from __future__ import annotations

import pytest

from tests.matrix.held import adds_up, counts_once
from tests.matrix.scenarios import App, apps
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
    counts_once(served, app, scenario)


@pytest.mark.parametrize("served", PAIRS, ids=IDS, indirect=True)
def test_all_requests_together_are_as_many_as_were_sent(served: Run) -> None:
    """Nothing is counted later a second time, nobody stays active, nothing was swallowed."""
    adds_up(served)
