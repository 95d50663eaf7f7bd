"""A server of AWS's protocols, and one way to call it through each client."""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.http_client.server import Request, head, path
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


@contextlib.asynccontextmanager
async def s3_client(library: str, url: str) -> AsyncIterator[Any]:
    """A client of either library, to be called in an event loop."""
    import aiobotocore.session
    import botocore.session
    from aiobotocore.config import AioConfig
    from botocore.config import Config

    given: dict[str, Any] = {"endpoint_url": url, **ACCOUNT}
    if library == "botocore":
        client = botocore.session.get_session().create_client(
            "s3", config=Config(**config(1)), **given
        )
        yield client
        client.close()
    else:
        session = aiobotocore.session.get_session()
        async with session.create_client("s3", config=AioConfig(**config(1)), **given) as client:
            yield client


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of an event stream, as AWS's services send it."""
    lines = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value))
        + value.encode() for name, value in headers.items()
    )  # fmt: skip
    first = struct.pack(">II", 16 + len(lines) + len(payload), len(lines))
    whole = first + struct.pack(">I", binascii.crc32(first)) + lines + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


def event(number: int) -> bytes:
    """One event of what S3 selects."""
    return message({":message-type": "event", ":event-type": "Records"}, b"%d" % number)


@path("events")
async def events(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    """Three events, and then what the key says: their end, an error, or nothing more."""
    writer.write(head(200, "Transfer-Encoding: chunked", length=None))
    parts = [event(number) for number in range(3)]
    if rest == "error":
        headers = {":message-type": "error", ":error-code": "Busy", ":error-message": "later"}
        parts.append(message(headers, b""))
    for part in parts:
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
    if rest != "cut":
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return rest == "cut"


@path("lines")
async def lines(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """An object of three lines, with a wrong checksum for who asks for one."""
    body = b"one\ntwo\nthree\n"
    checksum = ["x-amz-checksum-crc32: AAAAAA=="] if rest == "wrong" else []
    writer.write(head(200, *checksum, length=len(body)) + body)
