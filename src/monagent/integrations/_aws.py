"""Calls of AWS operations, sync and async alike: which facts to read off botocore's objects."""

from __future__ import annotations

from monagent import guard
from monagent.conventions import cloud
from monagent.conventions._failures import failure
from monagent.conventions._peers import of_url
from monagent.conventions.cloud import Operation
from monagent.instrument.targets import undo
from monagent.metrics import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SYSTEM = "aws-api"
"""https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/"""

_MOST_OPERATIONS = 2_000
_operations: dict[tuple[str, str, str], Operation | None] = cache()


def failed(library: str, error: BaseException) -> None:
    """Something of ours broke while a call was measured; the call goes on."""
    guard.failed(library, error)
    if guard.off(library):
        undo(library)


def operation(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    """What a client is called for; None for a name that its service does not have."""
    name = args[1] if len(args) > 1 else kwargs["operation_name"]
    meta = args[0].meta
    service = meta.service_model
    # The endpoint's host, also where a bucket has one of its own: those are without end.
    key = (meta.endpoint_url, service.service_name, name)
    try:
        return _operations[key]
    except KeyError:
        pass
    if name not in service.operation_names:
        return None  # The client says so itself, before it calls anybody.
    if len(_operations) >= _MOST_OPERATIONS:
        _operations.clear()
    method = f"{service.service_id}/{name}"
    stream = streamed(service.operation_model(name))
    made = _operations[key] = Operation(SYSTEM, method, of_url(meta.endpoint_url), stream)
    return made


def streamed(model: Any) -> str | None:
    """What the answers of an operation call their stream, of bytes or of events, if any."""
    if not model.has_streaming_output and not model.has_event_stream_output:
        return None
    shape = model.output_shape
    name: str | None = shape.event_stream_name or shape.serialization.get("payload")
    return name


def tried(endpoint: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A try is to be followed by another."""
    names = ("attempts", "operation_model", "request_dict", "response", "caught_exception")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    model: Any = given["operation_model"]
    error = given.get("caught_exception")
    if error is not None:
        reason = code(error) or failure(error)
    else:
        _, parsed = given["response"]
        reason = str(parsed.get("Error", {}).get("Code") or "status")
    method = f"{model.service_model.service_id}/{model.name}"
    cloud.retried(SYSTEM, method, of_url(endpoint.host), reason)


def code(error: BaseException) -> str | None:
    """AWS's word for an error that it has answered with, such as NoSuchKey."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return None
    return str(answer.get("Error", {}).get("Code") or "") or None
