"""aiobotocore, and with it aioboto3 and s3fs: every call of an AWS operation, and its tries.

A call is one here, whatever tries it took; each try is a call over HTTP and counts there as one.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
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
                called.ended(begun)
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
