"""botocore, and with it boto3: every call of an AWS operation, and its tries.

A call is one here, whatever tries it took; each try is a call over HTTP and counts there as one.
"""

from __future__ import annotations

from monagent.instrument import Call, Library, Observed, watch
from monagent.integrations import _aws

LIBRARY = Library(
    "botocore",
    versions=">=1.29",
    records=("rpc",),
    covers="calls of AWS operations, with boto3 too, and their retries; S3-compatible services",
)


@watch("botocore.client", "BaseClient._make_api_call")
def call(call: Call) -> Observed:
    yield from _aws.called(call)


@watch("botocore.endpoint", "Endpoint._needs_retry")
def trying(call: Call) -> Observed:
    yield from _aws.tried(call)
