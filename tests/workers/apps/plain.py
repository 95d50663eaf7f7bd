"""One application over ASGI and WSGI: `/pid`, `/hang` until killed, `/wait` until a file is there,
`/fail` ends the process with status 7."""

from __future__ import annotations

import os
import time
from typing import Any

GATE = os.environ.get("GATE", "")


def answer(path: str) -> bytes:
    """What a path does, at the cost of the whole worker."""
    if path == "/hang":
        time.sleep(600)
    if path == "/wait":
        open(f"{GATE}.{os.getpid()}", "w").close()  # The test knows that the worker is busy.
    while path == "/wait" and not os.path.exists(GATE):
        time.sleep(0.02)
    if path == "/fail":
        os._exit(7)
    return str(os.getpid()).encode()


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Over WSGI."""
    body = answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Over ASGI, without a lifespan."""
    if scope["type"] != "http":
        raise NotImplementedError
    body = answer(scope["path"])
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
