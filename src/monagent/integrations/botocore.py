"""botocore, and with it boto3: every call of an AWS operation, and its tries.

A call is one here, whatever tries it took; each try is a call over HTTP and counts there as one.
One that is answered with a stream of bytes or of events lasts until the application has read it.
"""

from __future__ import annotations

import sys

from monagent.instrument import Library, replace
from monagent.integrations import _aws_streams
from monagent.integrations._aws import code, failed, operation, tried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "botocore",
    versions=">=1.29",
    records=("rpc",),
    covers="calls of AWS operations, with boto3 too, and their retries; S3-compatible services",
)


@replace("botocore.client", "BaseClient._make_api_call")
def calling(original: Any) -> Any:
    bodies = (sys.modules["botocore.response"].StreamingBody,)

    def _make_api_call(*args: Any, **kwargs: Any) -> Any:  # as its own decorator has it
        called = None
        try:
            called = operation(args, kwargs)
            begun = called.begin() if called is not None else 0.0
        except BaseException as error:
            called = None
            failed("botocore", error)
        try:
            answer = original(*args, **kwargs)
        except BaseException as error:
            try:
                if called is not None:
                    called.failed(begun, error, code(error))
            except BaseException as ours:
                failed("botocore", ours)
            raise
        try:
            if called is not None:
                if called.stream is None:
                    called.ended(begun)
                else:
                    _aws_streams.follow("botocore", called, begun, answer, bodies)
        except BaseException as error:
            failed("botocore", error)
        return answer

    return _make_api_call


@replace("botocore.endpoint", "Endpoint._needs_retry")
def trying(original: Any) -> Any:
    def _needs_retry(self: Any, *args: Any, **kwargs: Any) -> Any:
        again = original(self, *args, **kwargs)
        if again:
            try:
                tried(self, args, kwargs)
            except BaseException as error:
                failed("botocore", error)
        return again

    return _needs_retry


@replace("botocore.response", "StreamingBody.read")
@replace("botocore.httpchecksum", "StreamingChecksumBody.read")
def reading(original: Any) -> Any:
    return _aws_streams.reading("botocore", original)


@replace("botocore.response", "StreamingBody.readinto", optional=True)
@replace("botocore.httpchecksum", "StreamingChecksumBody.readinto", optional=True)
def filling(original: Any) -> Any:
    return _aws_streams.filling("botocore", original)


@replace("botocore.response", "StreamingBody.readlines")
def listing(original: Any) -> Any:
    return _aws_streams.listing("botocore", original)


@replace("botocore.response", "StreamingBody.close")
@replace("botocore.eventstream", "EventStream.close")
def closing(original: Any) -> Any:
    return _aws_streams.closing("botocore", original)


@replace("botocore.response", "StreamingBody.__exit__")
def leaving(original: Any) -> Any:
    return _aws_streams.leaving("botocore", original)


@replace("botocore.eventstream", "EventStream._parse_event")
def parsing(original: Any) -> Any:
    return _aws_streams.parsing("botocore", original)
