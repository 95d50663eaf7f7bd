"""Settings reach the numbers of clients."""

from __future__ import annotations

from monagent import metrics, settings
from monagent.instrument import hooks
from monagent.integrations._http_client import forget
from monagent.store.shard import Shard
from tests.http_client.numbers import DURATION, RECEIVED, SENT, Numbers
from tests.http_client.server import Server


def test_each_histogram_may_have_edges_of_its_own(server: Server) -> None:
    """Three numbers of edges, and every call in the right bucket of each."""
    import requests

    chosen = settings.load(
        {
            "MONAGENT_BUCKETS_HTTP_CLIENT_REQUEST_DURATION": "60",
            "MONAGENT_BUCKETS_HTTP_CLIENT_REQUEST_BODY_SIZE": "1,2,3,4,5,6,7,8,9",
            "MONAGENT_BUCKETS_HTTP_CLIENT_RESPONSE_BODY_SIZE": "1,1000000",
        }
    )
    shard = Shard(None)
    metrics.use(metrics.Recording(shard, buckets=chosen.buckets))
    hooks.install()
    requests.post(server.url("/upload"), data=b"1234567")
    requests.post(server.url("/upload"), data=b"x" * 20)
    hooks.uninstall()
    metrics.use(metrics.Recording())

    numbers = Numbers(shard)
    found = {name: numbers.series(name)[0][1][1:] for name in (DURATION, SENT, RECEIVED)}
    shard.close()
    assert found == {
        DURATION: [2, 0],
        SENT: [0, 0, 0, 0, 0, 0, 1, 0, 0, 1],
        RECEIVED: [1, 1, 0],
    }


def test_a_library_that_is_switched_off_is_left_alone(server: Server) -> None:
    """Without requests its calls are those of urllib3; without both there are none."""
    import requests

    counts = []
    for off in ("requests", "requests,urllib3"):
        chosen = settings.load({"MONAGENT_DISABLE": off})
        shard = Shard(None)
        metrics.use(metrics.Recording(shard))
        hooks.modes[:] = [chosen.library]
        forget("requests")  # that it was hooked in tests before
        hooks.install()
        requests.get(server.url("/ok"))
        hooks.uninstall()
        hooks.modes.clear()
        metrics.use(metrics.Recording())
        counts.append(sum(Numbers(shard).outcomes().values()))
        shard.close()

    assert counts == [1, 0]
