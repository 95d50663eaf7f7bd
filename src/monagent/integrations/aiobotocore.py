"""aiobotocore, and with it aioboto3 and s3fs: every call of an AWS operation, and its tries.

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
    "aiobotocore",
    versions=">=2.5",
    records=("rpc",),
    covers="calls of AWS operations, with aioboto3 too, and their retries",
)


@replace("aiobotocore.client", "AioBaseClient._make_api_call")
def calling(original: Any) -> Any:
    response = sys.modules["aiobotocore.response"]
    bodies = (response.StreamingBody, getattr(response, "HttpxStreamingBody", ()))

    async def _make_api_call(*args: Any, **kwargs: Any) -> Any:  # as its own decorator has it
        called = None
        try:
            called = operation(args, kwargs)
            begun = called.begin() if called is not None else 0.0
        except BaseException as error:
            called = None
            failed("aiobotocore", error)
        try:
            answer = await original(*args, **kwargs)
        except BaseException as error:
            try:
                if called is not None:
                    called.failed(begun, error, code(error))
            except BaseException as ours:
                failed("aiobotocore", ours)
            raise
        try:
            if called is not None:
                if called.stream is None:
                    called.ended(begun)
                else:
                    _aws_streams.follow("aiobotocore", called, begun, answer, bodies)
        except BaseException as error:
            failed("aiobotocore", error)
        return answer

    return _make_api_call


@replace("aiobotocore.endpoint", "AioEndpoint._needs_retry")
def trying(original: Any) -> Any:
    async def _needs_retry(self: Any, *args: Any, **kwargs: Any) -> Any:
        again = await original(self, *args, **kwargs)
        if again:
            try:
                tried(self, args, kwargs)
            except BaseException as error:
                failed("aiobotocore", error)
        return again

    return _needs_retry


# Until 3.0 every kind of body has its own, and the context manager hands on what it wraps; since
# then they have a common base, whose context manager closes the body itself.
@replace("aiobotocore.response", "StreamingBody.read")
@replace("aiobotocore.response", "HttpxStreamingBody.read", optional=True)
@replace("aiobotocore.httpchecksum", "StreamingChecksumBody.read", optional=True)
@replace("aiobotocore.httpchecksum", "HttpxStreamingChecksumBody.read", optional=True)
@replace("aiobotocore.httpchecksum", "_ChecksumMixin.read", optional=True)
def reading(original: Any) -> Any:
    return _aws_streams.reading_async("aiobotocore", original)


@replace("aiobotocore.response", "StreamingBody.readinto", optional=True)
@replace("aiobotocore.response", "HttpxStreamingBody.readinto", optional=True)
@replace("aiobotocore.httpchecksum", "StreamingChecksumBody.readinto", optional=True)
@replace("aiobotocore.httpchecksum", "_ChecksumMixin.readinto", optional=True)
def filling(original: Any) -> Any:
    return _aws_streams.filling_async("aiobotocore", original)


@replace("aiobotocore.response", "StreamingBody.close", optional=True)
@replace("aiobotocore.eventstream", "AioEventStream.close")
def closing(original: Any) -> Any:
    return _aws_streams.closing("aiobotocore", original)


@replace("aiobotocore.response", "HttpxStreamingBody.close", optional=True)
@replace("aiobotocore.response", "HttpxStreamingBody.aclose", optional=True)
def closing_later(original: Any) -> Any:
    return _aws_streams.closing_async("aiobotocore", original)


@replace("aiobotocore.response", "StreamingBody.__aexit__", optional=True)
@replace("aiobotocore.response", "HttpxStreamingBody.__aexit__", optional=True)
def leaving(original: Any) -> Any:
    return _aws_streams.leaving_async("aiobotocore", original)


@replace("aiobotocore.eventstream", "AioEventStream._parse_event", optional=True)
def parsing(original: Any) -> Any:
    return _aws_streams.parsing_async("aiobotocore", original)
