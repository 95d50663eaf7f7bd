"""Brokers, started once for all tests here, and cleared between them."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import amqp
import pytest
import redis

from tests.services import rabbitmq
from tests.services import redis as redis_service


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """Port of a Redis server."""
    with redis_service.server() as port:
        yield port


@pytest.fixture(scope="session")
def rabbitmq_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a RabbitMQ broker."""
    with rabbitmq.server(tmp_path_factory.mktemp("rabbitmq")) as port:
        yield port


@pytest.fixture
def redis_url(redis_port: int) -> str:
    """An empty Redis database: broker and result store."""
    with redis.Redis(port=redis_port) as client:
        client.flushall()
    return f"redis://127.0.0.1:{redis_port}/0"


@pytest.fixture
def rabbitmq_url(rabbitmq_port: int) -> str:
    """A broker whose queue `shop` does not exist."""
    with amqp.Connection(f"127.0.0.1:{rabbitmq_port}") as connection:
        connection.channel().queue_delete("shop")
    return f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}//"


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    """Each of the two brokers."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    assert urllib.parse.urlsplit(url).port
    return url


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """Where the test's processes record."""
    return tmp_path / "numbers"
