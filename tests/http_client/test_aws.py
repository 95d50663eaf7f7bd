"""Operations of AWS: one call each, over as many calls of HTTP as it took tries."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http_client.aws import CLIENTS, Call, aws_server
from tests.http_client.numbers import ACTIVE, Numbers
from tests.http_client.server import Server

CALLS = "rpc.client.call.duration"
RETRIES = "rpc.client.call.retries"

clients = pytest.mark.parametrize("call", CLIENTS.values(), ids=CLIENTS)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """A server of AWS's protocols."""
    with aws_server() as url:
        yield url


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients wait no time between tries."""
    sleep = asyncio.sleep

    async def at_once(*_: Any, **__: Any) -> None:
        await sleep(0)

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(asyncio, "sleep", at_once)


def calls(numbers: Numbers) -> dict[tuple[str, str | None], int]:
    """Calls of operations by method and error."""
    found: dict[tuple[str, str | None], int] = {}
    for attributes, cells in numbers.series(CALLS):
        assert attributes["rpc.system.name"] == "aws-api"
        assert attributes["server.address"] == "127.0.0.1"
        assert attributes["server.port"] > 0
        status = attributes.get("rpc.response.status_code")
        assert status in ("OK", None, attributes.get("error.type"))
        key = (attributes["rpc.method"], attributes.get("error.type"))
        found[key] = found.get(key, 0) + int(sum(cells[1:]))
    return {key: count for key, count in found.items() if count}


@clients
def test_an_operation_is_one_call_and_one_over_http(numbers: Numbers, aws: str, call: Call) -> None:
    """An object is written and read, and a message sent."""
    bucket = f"b{uuid.uuid4().hex}"
    location = {"LocationConstraint": "eu-west-1"}
    call("s3", "create_bucket", aws, Bucket=bucket, CreateBucketConfiguration=location)
    call("s3", "put_object", aws, Bucket=bucket, Key="k", Body=b"x" * 70_000)
    body = call("s3", "get_object", aws, Bucket=bucket, Key="k")["Body"]
    queue = call("sqs", "create_queue", aws, QueueName=bucket)["QueueUrl"]
    call("sqs", "send_message", aws, QueueUrl=queue, MessageBody="hello")

    assert body == b"x" * 70_000
    assert calls(numbers) == {
        ("S3/CreateBucket", None): 1,
        ("S3/PutObject", None): 1,
        ("S3/GetObject", None): 1,
        ("SQS/CreateQueue", None): 1,
        ("SQS/SendMessage", None): 1,
    }
    assert numbers.outcomes() == {
        ("PUT", 200, None): 2,
        ("GET", 200, None): 1,
        ("POST", 200, None): 2,
    }
    assert numbers.total(RETRIES) == 0
    assert numbers.total("rpc.client.active_calls") == 0
    assert numbers.total(ACTIVE) == 0


@clients
def test_an_error_counts_under_the_word_of_aws(numbers: Numbers, aws: str, call: Call) -> None:
    """Which reaches the application as it is."""
    with pytest.raises(Exception, match="does not exist") as caught:
        call("s3", "get_object", aws, Bucket="nowhere", Key="k")

    assert type(caught.value).__name__ == "NoSuchBucket"
    assert calls(numbers) == {("S3/GetObject", "NoSuchBucket"): 1}
    assert numbers.outcomes() == {("GET", 404, "404"): 1}


@clients
def test_tries_are_one_call_and_as_many_over_http(
    numbers: Numbers, server: Server, call: Call
) -> None:
    """Two answers of 503, then one of 200."""
    call("s3", "get_object", server.url(""), tries=5, Bucket="flaky", Key=uuid.uuid4().hex)

    assert calls(numbers) == {("S3/GetObject", None): 1}
    assert numbers.values(RETRIES, "rpc.method", "reason") == {("S3/GetObject", "503"): 2.0}
    assert numbers.outcomes() == {("GET", 503, "503"): 2, ("GET", 200, None): 1}


@clients
def test_tries_that_all_break_count_with_what_broke_them(
    numbers: Numbers, server: Server, call: Call
) -> None:
    """Connections that the server resets."""
    with pytest.raises(Exception, match="onnect"):
        call("s3", "get_object", server.url(""), tries=3, Bucket="reset", Key="k")

    assert calls(numbers) == {("S3/GetObject", "connection_reset"): 1}
    reasons = numbers.values(RETRIES, "rpc.method", "reason")
    assert reasons == {("S3/GetObject", "connection_reset"): 2.0}
    assert numbers.outcomes() == {("GET", None, "connection_reset"): 3}


@clients
def test_arguments_that_the_client_refuses_make_no_call_over_http(
    numbers: Numbers, server: Server, call: Call
) -> None:
    """It counts, with the error's class."""
    with pytest.raises(Exception, match="Missing required parameter"):
        call("s3", "get_object", server.url(""), Bucket="b")

    error = "botocore.exceptions.ParamValidationError"
    assert calls(numbers) == {("S3/GetObject", error): 1}
    assert numbers.outcomes() == {}


def test_codes_without_end_make_no_series_without_end(numbers: Numbers) -> None:
    """Whoever answers chooses the codes."""
    from monagent.conventions import cloud

    assert cloud.bounded("AWS.SimpleQueueService.NonExistentQueue").startswith("AWS.")
    assert cloud.bounded("no such <thing>") == "_OTHER"
    assert cloud.bounded("x" * 1_000) == "_OTHER"
    found = {cloud.bounded(f"Code{number}") for number in range(2_000)}
    assert len(found) <= 301
    cloud._words.clear()
