"""django-ratelimit: what its limits decide about requests."""

from __future__ import annotations

from monagent import guard
from monagent.conventions import ratelimit
from monagent.instrument import Library, replace
from monagent.integrations._django import route_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "django_ratelimit",
    distribution="django-ratelimit",
    versions=">=4.0",
    records=("ratelimit",),
    needs=("django",),
    covers="decisions of its decorators, and of what asks for usage by itself",
)


@replace("django_ratelimit.core", "get_usage")
def usage(original: Any) -> Any:
    def get_usage(request: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(request, *args, **kwargs)
        try:
            function = args[1] if len(args) > 1 else kwargs.get("fn")
            decision = decided(found, request, function)
            if decision is not None:
                ratelimit.decided("django_ratelimit", route_of(request), decision)
        except BaseException as error:
            guard.failed("django_ratelimit", error)
        return found

    return get_usage


def decided(found: dict[str, int] | None, request: Any, function: Any) -> str | None:
    """What is to be counted of one limit, so that a request counts once, by its strictest."""
    if found is None or getattr(request, "limited", False):
        return None  # The limit is none for this request, or another has refused it already.
    if found["time_left"] < 0 and not found["limit"]:
        return ratelimit.ERROR
    if found["should_limit"]:
        return ratelimit.LIMITED
    return None if limited_within(function) else ratelimit.ALLOWED


def limited_within(function: Any) -> bool:
    """Whether another limit stands between this one and the view, and is yet to decide."""
    while function is not None:
        names = getattr(function, "__globals__", {})
        if names.get("__name__") == "django_ratelimit.decorators":
            return True
        function = getattr(function, "__wrapped__", None)
    return False
