"""httpx: every call of a client, sync and async, redirects and authentication steps within.

The duration ends where `send` returns: with the body read, or with the headers under stream=True.
Calls over in-process transports (ASGI, WSGI, mocks) count like any other, and so do the calls that
the application inside makes.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import _httpx, _httpx_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "httpx",
    versions=">=0.24,<1",
    records=("http_client",),
    covers="calls of clients, sync and async, with redirects; streams; in-process transports",
)


@replace("httpx._client", "Client.send")
def sending(original: Any) -> Any:
    return _httpx.sending("httpx", original)


@replace("httpx._client", "AsyncClient.send")
def sending_async(original: Any) -> Any:
    return _httpx.sending_async("httpx", original)


@replace("httpx._exceptions", "InvalidURL.__init__")
def misnaming(original: Any) -> Any:
    return _httpx.misnaming("httpx", original)


@replace("httpx._content", "IteratorByteStream.__iter__")
def uploading(original: Any) -> Any:
    return _httpx_body.counting(original)


@replace("httpx._content", "AsyncIteratorByteStream.__aiter__")
def uploading_async(original: Any) -> Any:
    return _httpx_body.counting_async(original)
