"""MONAGENT_SQLALCHEMY=otel: OpenTelemetry's instrumentor as the back end, or why it is not."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import pool

from monagent import metrics
from monagent.instrument import hooks, status
from monagent.store.shard import Shard
from tests.database.numbers import Numbers

VERSION = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2])


@pytest.fixture
def adopted(state: Path) -> Iterator[Numbers]:
    """Numbers while SQLAlchemy is left to OpenTelemetry and its drivers to us."""
    pytest.importorskip("opentelemetry.instrumentation.sqlalchemy")
    gc.collect()  # Connections that earlier tests have left return to their pools.
    metrics.use(metrics.Recording(Shard(str(state))))
    modes = {"sqlalchemy": "otel", "sqlite3": "on"}
    hooks.modes[:] = [lambda library: modes.get(library, "off")]
    hooks.install()
    yield Numbers(str(state))
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())


if VERSION >= (2, 1):

    def test_versions_that_it_declines_are_told_with_the_reason(
        capfd: pytest.CaptureFixture[str], adopted: Numbers
    ) -> None:
        """The instrumentor stops below SQLAlchemy 2.1; silence would look like an idle pool."""
        told = status.known["sqlalchemy"]

        assert told.state == status.UNSUPPORTED
        assert "sqlalchemy >= 1.0.0, < 2.1.0" in told.reason
        assert sqlalchemy.__version__ in told.reason
        assert "not recorded" in capfd.readouterr().err

else:

    def test_its_pool_metric_records_through_our_meters(adopted: Numbers, tmp_path: Path) -> None:
        """The one metric that it has; statements are the driver's."""
        engine = sqlalchemy.create_engine(
            f"sqlite:///{tmp_path}/o.db", poolclass=pool.QueuePool, echo=False
        )
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
            usage = adopted.series("db.client.connections.usage")
            assert sum(cells[0] for key, cells in usage.items() if ("state", "used") in key) == 1
        usage = adopted.series("db.client.connections.usage")
        engine.dispose()
        del engine
        gc.collect()

        assert sum(cells[0] for key, cells in usage.items() if ("state", "used") in key) == 0
        assert sum(cells[0] for key, cells in usage.items() if ("state", "idle") in key) == 1
        assert adopted.operations()["SELECT"] == 1
        assert adopted.pools() == set()
        assert status.known["sqlalchemy"].state == status.ADOPTED
