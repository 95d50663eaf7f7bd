"""httpx2: every call of a client, as in httpx."""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import _httpx, _httpx_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "httpx2",
    versions=">=2",
    records=("http_client",),
    covers="calls of clients, sync and async, with redirects; streams; in-process transports",
)


@replace("httpx2._client", "Client.send")
def sending(original: Any) -> Any:
    return _httpx.sending("httpx2", original)


@replace("httpx2._client", "AsyncClient.send")
def sending_async(original: Any) -> Any:
    return _httpx.sending_async("httpx2", original)


@replace("httpx2._exceptions", "InvalidURL.__init__")
def misnaming(original: Any) -> Any:
    return _httpx.misnaming("httpx2", original)


@replace("httpx2._content", "IteratorByteStream.__iter__")
def uploading(original: Any) -> Any:
    return _httpx_body.counting(original)


@replace("httpx2._content", "AsyncIteratorByteStream.__aiter__")
def uploading_async(original: Any) -> Any:
    return _httpx_body.counting_async(original)
