"""Werkzeug's rules, as Flask and Quart ask for them: the rule of a method that is not allowed."""

from __future__ import annotations

from weakref import WeakKeyDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange

_likenesses: WeakKeyDictionary[Any, tuple[int, Any]] = WeakKeyDictionary()
"""Of maps with an application's own converters: the number of their rules then, and the map."""


def of_other_methods(exchange: Exchange, context: Any, request: Any) -> None:
    """No rule has taken the request; perhaps one takes its path by another method.

    Werkzeug's error names the methods alone, so the path is matched once more, which only a 405
    pays for; where a converter is the application's, which would see one value more, by a map of
    the same rules that asks none.
    """
    methods = getattr(request.routing_exception, "valid_methods", None)
    adapter = context.url_adapter
    if not methods:
        return
    try:
        if all(map(own, adapter.map.converters.values())):
            route = adapter.match(method=min(methods), return_rule=True)[0].rule
        else:
            route = like(adapter).match(method=min(methods), websocket=adapter.websocket)[0]
    except Exception:  # A redirect, or a value that its converter refuses.
        return
    exchange.route = exchange.prefix + route


def own(converter: Any) -> bool:
    """Whether it is one of Werkzeug's."""
    return bool(converter.__module__ == "werkzeug.routing.converters")


def like(adapter: Any) -> Any:
    """An adapter for the same request whose endpoints are the rules' templates, and whose
    converters give what is in the path as it is."""
    rules = [*adapter.map.iter_rules()]
    count, found = _likenesses.get(adapter.map, (0, None))
    if count != len(rules):
        found = likeness(adapter.map, rules)
        _likenesses[adapter.map] = len(rules), found
    return found.bind(
        adapter.server_name,
        adapter.script_name,
        None if found.host_matching else adapter.subdomain,
        adapter.url_scheme,
        path_info=adapter.path_info,
    )


def likeness(original: Any, rules: list[Any]) -> Any:
    """A map of the same rules, by what they say of themselves."""
    from werkzeug.routing import Map, Rule

    return Map(
        [
            Rule(
                rule.rule,
                endpoint=rule.rule,  # not the rule, which would keep the original
                methods=rule.methods,
                subdomain=rule.subdomain,
                host=rule.host,
                strict_slashes=rule.strict_slashes,
                merge_slashes=rule.merge_slashes,
                websocket=rule.websocket,
            )
            for rule in rules
            if not rule.build_only
        ],
        default_subdomain=original.default_subdomain,
        redirect_defaults=False,
        converters={name: asking_none(cls) for name, cls in original.converters.items()},
        host_matching=original.host_matching,
    )


def asking_none(converter: Any) -> Any:
    """What makes converters of the same paths that give what they find in them."""

    def made(*args: Any, **kwargs: Any) -> Any:
        found = converter(*args, **kwargs)
        found.to_python = as_it_is
        return found

    return made


def as_it_is(value: str) -> str:
    """The value of a path's part."""
    return value
