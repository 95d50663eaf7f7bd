"""aiobotocore, and with it aioboto3 and s3fs: every call of an AWS operation, and its tries.

A call is one here, whatever tries it took; each try is a call over HTTP and counts there as one.
"""

from __future__ import annotations

from monagent.instrument import Call, Library, Observed, watch
from monagent.integrations import _aws

LIBRARY = Library(
    "aiobotocore",
    versions=">=2.5",
    records=("rpc",),
    covers="calls of AWS operations, with aioboto3 too, and their retries",
)


@watch("aiobotocore.client", "AioBaseClient._make_api_call")
def call(call: Call) -> Observed:
    yield from _aws.called(call)


@watch("aiobotocore.endpoint", "AioEndpoint._needs_retry")
def trying(call: Call) -> Observed:
    yield from _aws.tried(call)
