"""Flask-RESTful: what its APIs make of exceptions.

Requests and routes are Flask's, see there.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations._flask_api import answering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "flask_restful",
    distribution="flask-restful",
    versions=">=0.3.9",
    records=("http",),
    needs=("flask",),
    covers="errors that an API answers with a 5xx",
)


@replace("flask_restful", "Api.handle_error")
def exception(original: Any) -> Any:
    return answering(original)
