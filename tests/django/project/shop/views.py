"""Views of functions and classes, synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.views import View

ERRORS: dict[str, type[Exception]] = {
    "value": ValueError,
    "missing": Http404,
    "denied": PermissionDenied,
    "suspicious": SuspiciousOperation,
}


def item(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
    return HttpResponse(repr((args, sorted(kwargs.items()))))


async def later(request: Any, pk: int, **_: Any) -> HttpResponse:
    return HttpResponse(f"later {pk}")


class Items(View):
    """Of a class."""

    def get(self, request: Any, pk: int, **_: Any) -> HttpResponse:
        return HttpResponse(f"of a class {pk}")


def fails(request: Any, kind: str) -> HttpResponse:
    raise ERRORS[kind]


async def fails_later(request: Any, kind: str) -> HttpResponse:
    raise ERRORS[kind]


def unavailable(request: Any) -> HttpResponse:
    return HttpResponse("down", status=503)


def echo(request: Any) -> HttpResponse:
    return HttpResponse(request.body)


def stream(request: Any, kind: str) -> StreamingHttpResponse:
    def chunks() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        if kind == "breaks":
            raise ValueError
        yield b"data: 2\n\n"

    content = "text/event-stream" if kind == "events" else "text/plain"
    return StreamingHttpResponse(chunks(), content_type=content)


def file(request: Any) -> FileResponse:
    return FileResponse((Path(__file__).parent / "static" / "x.txt").open("rb"))


def query(request: Any) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return HttpResponse(str(cursor.fetchone()[0]))
