"""What tests of the exporter need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exporter.receiving import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OTLP receiver."""
    found = Receiver()
    yield found
    found.close()
