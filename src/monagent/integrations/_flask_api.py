"""APIs on Flask that answer exceptions by themselves, in front of Flask's own handlers."""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def answering(original: Any) -> Any:
    """Wrapper of the `handle_error` of an API; it raises what Flask is to handle."""

    def handle_error(self: Any, e: Any) -> Any:
        response = original(self, e)
        try:
            if response.status_code >= 500:
                answered(e)
        except BaseException as error:
            http.failed(error)
        return response

    return handle_error


def answered(error: BaseException) -> None:
    """A view's exception has become a 5xx; one of Werkzeug's has a status that says it."""
    if not isinstance(error, sys.modules["werkzeug.exceptions"].HTTPException):
        exchange = sys.modules["flask"].request.environ.get(KEY)
        if exchange is not None:
            exchange.caught = error_type(error)
