"""Flask-Limiter: every request that it checks, before the view and in its decorators.

Limits for all routes decide before the view, a route's own decide in its decorators, so what was
allowed first counts only when the response is there and nobody has refused.
"""

from __future__ import annotations

import sys

from monagent.conventions import ratelimit
from monagent.instrument import Library, replace
from monagent.integrations import _ratelimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "flask_limiter",
    distribution="Flask-Limiter",
    versions=">=3.0",
    records=("ratelimit",),
    needs=("limits",),
    covers="requests checked by default limits and by decorators, and clients near their limit",
)

_ALLOWED = "monagent.rate_limit"
"""Under this key of the WSGI environ: by limiter, the decision that allowed the request so far."""


@replace("flask_limiter._extension", "Limiter._check_request_limit", optional=True)  # from 4 on
@replace("flask_limiter.extension", "Limiter._check_request_limit", optional=True)
def check(original: Any) -> Any:
    def _check_request_limit(self: Any, *args: Any, **kwargs: Any) -> Any:
        decision, environ = None, {}
        try:
            environ = sys.modules["flask"].request.environ
            decision = _ratelimit.begin("flask_limiter", _ratelimit.route_of(environ))
        except BaseException as error:
            failed(error)
        try:
            return original(self, *args, **kwargs)
        finally:
            try:
                if decision is not None:
                    decided(self, decision, environ)
            except BaseException as error:
                failed(error)

    return _check_request_limit


@replace("flask_limiter._extension", "Limiter._Limiter__inject_headers", optional=True)
@replace("flask_limiter.extension", "Limiter._Limiter__inject_headers", optional=True)
def response(original: Any) -> Any:
    def inject_headers(self: Any, response: Any) -> Any:
        try:
            allowed = sys.modules["flask"].request.environ.get(_ALLOWED)
            if allowed:
                decision = allowed.pop(id(self), None)
                if decision is not None:
                    decision.count()
        except BaseException as error:
            failed(error)
        return original(self, response)

    return inject_headers


def decided(limiter: Any, decision: _ratelimit.Decision, environ: dict[str, Any]) -> None:
    """A limiter has come to a decision; later ones about the request may overrule it."""
    decision.close()
    if decision.outcome is None:
        return
    allowed = environ.setdefault(_ALLOWED, {})
    if decision.outcome == ratelimit.ALLOWED:
        allowed[id(limiter)] = decision
    else:
        allowed.pop(id(limiter), None)
        decision.count()


def failed(error: BaseException) -> None:
    _ratelimit.failed("flask_limiter", error)
