"""A bare application that answers 12345 in several ways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FILE = Path(os.environ["GATE"] + ".12345")
FILE.write_bytes(b"12345")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """By the path."""
    start_response("200 OK", [("Content-Length", "5")])
    if environ["PATH_INFO"] == "/bytes":
        return b"12345"
    if environ["PATH_INFO"] == "/generator":
        return (digit for digit in (b"12", b"", b"345"))
    if environ["PATH_INFO"] == "/file":
        return environ["wsgi.file_wrapper"](FILE.open("rb"))
    return [b"123", b"45"]
