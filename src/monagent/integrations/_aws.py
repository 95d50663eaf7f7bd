"""Calls of AWS operations, sync and async alike: which facts to read off botocore's objects."""

from __future__ import annotations

from monagent.conventions import cloud
from monagent.conventions._failures import failure
from monagent.conventions._peers import of_url
from monagent.instrument import Call, Observed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SYSTEM = "aws-api"
"""https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/"""


def called(call: Call) -> Observed:
    """An operation is called on a client."""
    client: Any = call.instance
    service = client.meta.service_model
    operation = str(call.argument(0, "operation_name"))
    if operation not in service.operation_names:
        yield  # The client says so itself, before it calls anybody.
        return
    method = f"{service.service_id}/{operation}"
    # The endpoint's, also where a bucket has a host of its own: those are without end.
    with cloud.Outgoing(SYSTEM, method, of_url(client.meta.endpoint_url), code):
        yield


def tried(call: Call) -> Observed:
    """An endpoint is asked whether a try is to be followed by another."""
    again = yield
    if again:
        endpoint: Any = call.instance
        operation: Any = call.argument(1, "operation_model")
        method = f"{operation.service_model.service_id}/{operation.name}"
        cloud.retried(SYSTEM, method, of_url(endpoint.host), reason(call))


def reason(call: Call) -> str:
    """What the try before has failed with."""
    error = call.argument(4, "caught_exception")
    if error is not None:
        return code(error) or failure(error)
    _, parsed = call.argument(3, "response")
    return str(parsed.get("Error", {}).get("Code") or "status")


def code(error: BaseException) -> str | None:
    """AWS's word for an error that it has answered with, such as NoSuchKey."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return None
    return str(answer.get("Error", {}).get("Code") or "") or None
