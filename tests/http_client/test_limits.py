"""What servers say about their limits is counted once, and as fresh as it can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.http_client.clients import Ask, able
from tests.http_client.numbers import Numbers
from tests.http_client.server import Server

THROTTLED = "http.client.throttled"


@pytest.mark.parametrize(("tries", "raises"), [(0, True), (1, True), (0, False), (1, False)])
def test_an_answer_that_exhausts_the_retries_is_throttled_as_those_before(
    numbers: Numbers, server: Server, tries: int, raises: bool
) -> None:
    """Whether it is raised or returned, by a pool manager or beneath requests."""
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retries = Retry(
        tries, status_forcelist=[429], raise_on_status=raises, respect_retry_after_header=False
    )
    answers = []
    with urllib3.PoolManager(retries=retries) as manager, requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retries))
        for call in (manager.request, session.request):
            try:
                answers.append(call("GET", server.url("/limited")))
            except (urllib3.exceptions.MaxRetryError, requests.exceptions.RetryError):
                pass

    assert len(answers) == (0 if raises else 2)
    assert numbers.total(THROTTLED) == 2 * (1 + tries)
    assert numbers.total("http.client.request.resends") == 2 * tries


@pytest.mark.parametrize("client", able("tells headers").values(), ids=able("tells headers"))
def test_what_is_left_is_what_the_latest_answer_of_a_burst_says(
    numbers: Numbers, server: Server, client: Callable[[Ask], int]
) -> None:
    """However close the answers are, and whatever those without a number say in between."""
    for path in ("/left/2", "/left/1", "/ok", "/left/0"):
        client(Ask(server.url(path)))
        client(Ask(server.url("/ok"), "POST"))

    ((_, cells),) = numbers.series("http.client.rate_limit.remaining")
    assert cells[0] == 0.0
