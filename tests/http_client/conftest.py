"""Recording in memory with the import hooks in place, and servers to call."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http_client.numbers import Numbers
from tests.http_client.server import Server


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    """What was recorded since the test began."""
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))
    hooks.install()
    yield Numbers(shard)
    hooks.uninstall()
    metrics.use(metrics.Recording())
    shard.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server that misbehaves."""
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def tls_server() -> Iterator[Server]:
    """One with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(context)
    with Server(context) as running:
        yield running
