"""Werkzeug's rules, as Flask and Quart ask for them: the rule of a method that is not allowed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange


def of_other_methods(exchange: Exchange, context: Any, request: Any) -> None:
    """No rule has taken the request; perhaps one takes its path by another method.

    Werkzeug's error names the methods alone, so the path is matched once more, which only a 405
    pays for; not where a converter is the application's, which would see one value more.
    """
    methods = getattr(request.routing_exception, "valid_methods", None)
    adapter = context.url_adapter
    if not methods or not all(map(own, adapter.map.converters.values())):
        return
    try:
        rule, _ = adapter.match(method=min(methods), return_rule=True)
    except Exception:  # A redirect, or a value that its converter refuses.
        return
    exchange.route = exchange.prefix + rule.rule


def own(converter: Any) -> bool:
    """Whether it is one of Werkzeug's."""
    return bool(converter.__module__ == "werkzeug.routing.converters")
