"""Middleware of a class for synchronous handlers, and of a function for both kinds."""

from __future__ import annotations

import inspect
from typing import Any

from django.utils.decorators import sync_and_async_middleware


class Sometimes:
    """Raises, or answers in place of the view or of Django, when the request asks for it."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        if request.GET.get("middleware") == "raises":
            raise LookupError
        response = self.get_response(request)
        if request.GET.get("middleware") == "rescues" and response.status_code == 500:
            from django.http import HttpResponse

            return HttpResponse("sorry")
        return response

    def process_exception(self, request: Any, exception: Exception) -> Any:
        """Answers for the view's exception."""
        if request.GET.get("middleware") == "answers":
            from django.http import HttpResponse

            return HttpResponse("instead", status=503)
        return None


@sync_and_async_middleware
def both_kinds(get_response: Any) -> Any:
    """Passes everything on."""
    if inspect.iscoroutinefunction(get_response):

        async def awaiting(request: Any) -> Any:
            return await get_response(request)

        return awaiting

    def calling(request: Any) -> Any:
        return get_response(request)

    return calling
