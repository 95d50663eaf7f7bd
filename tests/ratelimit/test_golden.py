"""What the endpoint shows of rate limits changes on purpose only."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import golden as goldens
from tests.e2e.command import running, until

PROGRAM = """
import time
from flask import Flask
from flask_limiter import Limiter
app = Flask("limited")
limiter = Limiter(lambda: "client", app=app, storage_uri="memory://")
app.get("/items/<item>")(limiter.limit("2/hour")(lambda item: item))
client = app.test_client()
for _ in range(3):
    client.get("/items/1")
time.sleep(60)
"""


def test_names_and_labels_of_rate_limits_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Every metric of the family, through the front door."""
    with running((sys.executable, "-c", PROGRAM), tmp_path) as run:
        until(lambda: 'decision="limited"' in run.text(), "a refusal", 30)
        golden("rate_limit", run.text, "rate_limit_")
