"""A server of AWS's protocols, and one way to call it through each client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.ports import free_port, listening
from tests.services._started import stop, until

Call = Callable[..., Any]

URL = "TEST_AWS_URL"

ACCOUNT = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "nobody",
    "aws_secret_access_key": "nothing",
}


@contextlib.contextmanager
def aws_server() -> Iterator[str]:
    """The URL of a server that has S3, SQS and the like; old clients are brought to one."""
    if URL in os.environ:
        yield os.environ[URL]
        return
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listening(port), process, 90)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def config(tries: int) -> dict[str, Any]:
    """Settings of a client: how often it tries, and buckets in paths."""
    return {
        "retries": {"total_max_attempts": tries, "mode": "standard"},
        "s3": {"addressing_style": "path"},
    }


def by_botocore(service: str, operation: str, url: str, tries: int = 1, **given: Any) -> Any:
    """A client of its own for each call; a streamed body is read."""
    import botocore.session
    from botocore.config import Config

    session = botocore.session.get_session()
    client = session.create_client(
        service, endpoint_url=url, config=Config(**config(tries)), **ACCOUNT
    )
    answer = getattr(client, operation)(**given)
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    client.close()
    return answer


def by_aiobotocore(service: str, operation: str, url: str, tries: int = 1, **given: Any) -> Any:
    """The same in an event loop of its own."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    async def call() -> Any:
        session = get_session()
        async with session.create_client(
            service, endpoint_url=url, config=AioConfig(**config(tries)), **ACCOUNT
        ) as client:
            answer = await getattr(client, operation)(**given)
            if "Body" in answer:
                answer["Body"] = await answer["Body"].read()
            return answer

    return asyncio.run(call())


CLIENTS: dict[str, Call] = {"botocore": by_botocore, "aiobotocore": by_aiobotocore}
