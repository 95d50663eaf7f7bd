"""Flask-RESTX: what its APIs make of exceptions.

Requests and routes are Flask's, see there.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations._flask_api import answering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "flask_restx",
    distribution="flask-restx",
    versions=">=1.0",
    records=("http",),
    needs=("flask",),
    covers="errors that an API answers with a 5xx",
)


@replace("flask_restx.api", "Api.handle_error")
def exception(original: Any) -> Any:
    return answering(original)
