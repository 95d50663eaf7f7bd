"""Django's URL patterns as route templates: `^items/(?P<pk>[0-9]+)/$` reads `/items/<pk>/`.

A resolver's match says the whole pattern as one text, with what `path()` and `re_path()` were
given joined, so both are read by one rule. A language in front, where there may be one, is a
variable of the template like others. The rule is that of Django's own documentation pages:
https://docs.djangoproject.com/en/stable/ref/contrib/admin/admindocs/
"""

from __future__ import annotations

import sys

from monagent.conventions._exchange import KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange

LANGUAGE = "<language>"
UNNAMED = "<var>"

_SIGNS = frozenset("^$?\\()[")  # No route of `path()` has any of them.
_NO_CHARACTER = frozenset("AZbB")  # Behind a backslash: a place, not a character.
_MOST = 10_000


class Templates(dict[str, str]):
    """Templates by the route of a match, made when they are first asked for."""

    def __missing__(self, route: str) -> str:
        made = "/" + readable(_without_language(route))
        if len(self) < _MOST:
            self[route] = made
        return made


templates = Templates()


def exchange_of(request: Any) -> Exchange | None:
    """The exchange that a request of Django's belongs to, if anybody measures."""
    facts = vars(request)
    found: Exchange | None = (facts.get("environ") or facts.get("scope") or {}).get(KEY)
    return found


def route_of(request: Any) -> str | None:
    """The template of the route that has taken a request, if anybody measures."""
    exchange = exchange_of(request)
    return None if exchange is None else exchange.route


def readable(route: str) -> str:
    """A pattern with its groups by name, and without what stands for no character of a path."""
    if _SIGNS.isdisjoint(route):
        return route
    parts = []
    at = 0
    while at < len(route):
        sign, end = route[at], at + 1
        if sign == "\\":
            end = at + 2
            behind = route[at + 1 : end]
            if behind not in _NO_CHARACTER:
                parts.append(sign + behind if behind.isalnum() else behind)
        elif sign == "[":
            end = _end_of_class(route, at)
            parts.append(route[at:end])
        elif sign == "(":
            end = _end_of_group(route, at)
            parts.append(_group(route[at + 1 : end - 1]))
        elif sign not in "^$?":
            parts.append(sign)
        at = end
    return "".join(parts)


def _group(inside: str) -> str:
    if inside.startswith(("?P<", "?P=")):
        return f"<{inside[3:].partition('>')[0]}>"
    if not inside.startswith("?"):
        # Beside named groups the unnamed ones are no arguments of the view.
        return readable(inside) if "(?P<" in inside else UNNAMED
    if inside.startswith(("?=", "?!", "?<", "?#")):
        return ""
    rest = readable(inside.partition(":")[2])
    return f"({rest})" if "|" in rest else rest


def _end_of_class(route: str, at: int) -> int:
    end = at + 1 + route.startswith("^", at + 1)
    end += route.startswith("]", end)  # In first place a character as others.
    while end < len(route) and route[end] != "]":
        end += 2 if route[end] == "\\" else 1
    return end + 1


def _end_of_group(route: str, at: int) -> int:
    depth = 0
    while at < len(route):
        sign = route[at]
        if sign == "[":
            at = _end_of_class(route, at)
            continue
        depth += (sign == "(") - (sign == ")")
        at += 2 if sign == "\\" else 1
        if not depth:
            break
    return at


def _without_language(route: str) -> str:
    """A route below `i18n_patterns` begins with the language that is active."""
    i18n = sys.modules.get("django.conf.urls.i18n")
    if i18n is None:  # Nobody has prefixed any route.
        return route
    urls, translation = sys.modules["django.urls"], sys.modules["django.utils.translation"]
    urlconf = urls.get_urlconf() or sys.modules["django.conf"].settings.ROOT_URLCONF
    prefix = f"{translation.get_language()}/"
    if route.startswith(prefix) and i18n.is_language_prefix_patterns_used(urlconf)[0]:
        return f"{LANGUAGE}/{route.removeprefix(prefix)}"
    return route
