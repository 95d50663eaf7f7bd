"""The oldest botocore and aiobotocore that are covered pass the same tests as the newest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes
from tests.http_client.aws import URL, aws_server

HERE = Path(__file__).parent
OLDEST = ["aiobotocore==2.5.0", "botocore==1.29.76"]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_clients_of_aws_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, against the same server."""
    python = made(tmp_path, "pytest", "trustme", "wrapt", *OLDEST)
    with aws_server() as url:
        # Old releases warn of old interpreters' ways.
        tests = ("-W", "default", str(HERE / "test_aws.py"), str(HERE / "test_aws_streams.py"))
        passes(python, *tests, environ={**os.environ, URL: url})
