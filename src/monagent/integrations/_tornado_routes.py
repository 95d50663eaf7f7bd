"""Routes of Tornado: the rule that took a request, its pattern made readable.

`/items/(?P<id>[0-9]+)$` reads `/items/{id}`, an unnamed group `{}`. Nested rules match the whole
path each, so the innermost one's pattern is the route. Which rule it was stands in the variables
of the function that went through them, and nowhere else.
"""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.integrations._tornado_server import OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANY = "*"
"""The route of rules that look at no path, such as those for a host."""

_DEEP = 12
_LONGEST = 200
_MOST = 10_000

_templates: dict[str, str] = {}


def handler(original: Any) -> Any:
    """Wrapper of `Application.get_handler_delegate`, which a rule's handler class comes to."""
    rules = sys.modules["tornado.routing"].RuleRouter.find_handler.__code__
    application = sys.modules["tornado.web"].Application.find_handler.__code__

    def get_handler_delegate(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            exchange = request.connection._monagent
            frame = sys._getframe(1)
            outer: Any = frame.f_back
            try:
                if outer.f_code is not rules:
                    raise KeyError
                exchange.route = _templates[outer.f_locals["rule"].matcher.regex.pattern]
            except (KeyError, AttributeError):
                taken(exchange, frame, rules, application)
        except AttributeError:
            pass  # Nobody measures.
        except BaseException as error:
            http.failed(error)
        return original(self, request, *args, **kwargs)

    return get_handler_delegate


def function(original: Any) -> Any:
    """Wrapper of `_CallableAdapter.__init__`, which a rule's function comes to."""

    def __init__(self: Any, request_callback: Any, request_conn: Any) -> None:
        original(self, request_callback, request_conn)
        try:
            exchange = getattr(request_conn, OWN, None)
            if exchange is not None:
                # Its module imports the one that is being wrapped here.
                rules = sys.modules["tornado.routing"].RuleRouter.find_handler.__code__
                taken(exchange, sys._getframe(1), rules, None)
        except BaseException as error:
            http.failed(error)

    return __init__


def taken(exchange: Any, frame: Any, rules: Any, application: Any) -> None:
    """A rule has taken the request: the innermost that looks at the path, up to its application."""
    found = None
    for _ in range(_DEEP):
        if frame is None or frame.f_code is application:
            break
        if frame.f_code is rules:
            rule = frame.f_locals.get("rule")
            pattern = getattr(getattr(getattr(rule, "matcher", None), "regex", None), "pattern", 0)
            if isinstance(pattern, str):
                found = template(pattern)
                break
            found = ANY
        frame = frame.f_back
    if found is not None:
        exchange.route = found


def template(pattern: str) -> str:
    """The readable form of a pattern."""
    try:
        return _templates[pattern]
    except KeyError:
        if len(_templates) >= _MOST:
            _templates.clear()
        made = _templates[pattern] = readable(pattern)[:_LONGEST]
        return made


def readable(pattern: str) -> str:
    """Anchors and escapes gone, groups by their names; other syntax stays as it is."""
    at = 1 if pattern.startswith("^") else 0
    end = len(pattern)
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        end -= 1
    parts = []
    while at < end:
        sign = pattern[at]
        if sign == "\\":
            escaped = pattern[at + 1 : at + 2]
            parts.append(sign + escaped if escaped.isalnum() else escaped)
            at += 2
        elif sign == "[":
            begin, at = at, _class_end(pattern, at)
            parts.append(pattern[begin:at])
        elif pattern.startswith("(?P<", at):
            parts.append("{" + pattern[at + 4 : pattern.index(">", at)] + "}")
            at = _group_end(pattern, at)
        elif pattern.startswith("(?", at):
            parts.append("(?")
            at += 2
        elif sign == "(":
            parts.append("{}")
            at = _group_end(pattern, at)
        else:
            parts.append(sign)
            at += 1
    return "".join(parts)


def _class_end(pattern: str, at: int) -> int:
    """Behind the character class that begins here."""
    at += 1
    if pattern.startswith("^", at):
        at += 1
    if pattern.startswith("]", at):  # the first one stands for itself
        at += 1
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _group_end(pattern: str, at: int) -> int:
    """Behind the group that begins here."""
    depth = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\":
            at += 2
        elif sign == "[":
            at = _class_end(pattern, at)
        else:
            depth += (sign == "(") - (sign == ")")
            at += 1
            if not depth:
                break
    return at
