"""Routes for applications without a router: paths whose ids, dates and tokens became placeholders.

`/api/tasks/TASK-123` is `/api/tasks/{id}`. What is left is bounded whatever comes: in each place
of a path the first values stay, the others are one, `{value}`, and too many branches end in
`{path}`. Opt-in by MONAGENT_HTTP_PATHS, since only the reader knows whether the paths are like
that; MONAGENT_HTTP_PATH_PATTERNS says for some how they are.
"""

from __future__ import annotations

import re

from monagent import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ID, DATE, VALUE, REST = "{id}", "{date}", "{value}", "{path}"
PLACEHOLDERS = frozenset((ID, DATE, VALUE, REST))

MOST_VALUES = 50
"""Distinct values in one place of a path."""
MOST_BRANCHES = 500
"""Distinct beginnings of paths, of which each may be a route and have one that ends in `{path}`."""
DEEPEST = 10
"""Segments of a route."""
LONGEST = 64
"""Characters of a segment; what is longer is nobody's name for anything."""
_MOST_CACHED = 4096

_plain = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%-]+").fullmatch
_ending = re.compile(r"[A-Za-z][A-Za-z0-9]{0,4}").fullmatch
_date = re.compile(
    r"\d{4}-\d\d(-\d\d(T[0-9:.+Z-]+)?)?"
    r"|\d{4}-?W\d\d"
    r"|\d\d[.-]\d\d[.-]\d{4}"
    r"|\d\d?:\d\d(:\d\d)?"
).fullmatch
_id = re.compile(
    r"[+-]?\d+([.,:x_-]+\d+)*"  # 7, 1.5, 52.5,13.4, 100x200
    r"|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{16,}"
    r"|(?=.*\d)[0-9a-fA-F]{8,}"
    r"|([A-Za-z]+[-_:]){1,3}(?=[A-Za-z]*\d)[A-Za-z0-9]+"  # TASK-123, sk_test_4eC39, isbn:3518
    r"|[A-Za-z]{1,10}\d{4,}"  # INV20240017, but v1, s3, oauth2
    r"|(?=.*[A-Za-z])(?=.*\d)[A-Za-z0-9_=~-]{16,}"  # tokens
    r"|(?=.*[a-z])(?=.*[A-Z])(?=.*\d.*\d)[A-Za-z0-9_-]{10,}"  # dQw4w9WgXcQ
).fullmatch


def segment(text: str) -> str:
    """What stands for one segment of a path: itself, or the kind of value that it is."""
    if text in PLACEHOLDERS:
        return text
    if len(text) > LONGEST:
        return VALUE
    if "@" in text:
        return ID  # an address or somebody's name
    stem, dot, ending = text.rpartition(".")
    if stem and _ending(ending):
        kind = segment(stem)
        if kind.startswith("{"):
            return kind + dot + ending
    if not _plain(text):
        return VALUE
    if _date(text):
        return DATE
    return ID if _id(text) else text


class Paths:
    """Routes of the paths that one application was asked for.

    Args:
        patterns: routes as the user wants them: `/shops/{shop}`, `/files/{name:path}`. The first
            that a path fits is its route.
        most_values, most_branches: bounds, see above.
    """

    def __init__(
        self,
        patterns: tuple[str, ...] = (),
        most_values: int = MOST_VALUES,
        most_branches: int = MOST_BRANCHES,
    ) -> None:
        self._patterns = [(pattern, pattern.strip("/").split("/")) for pattern in patterns]
        self._known = frozenset(patterns)
        self._most_values = most_values
        self._most_branches = most_branches
        self._branches = 0
        self._tree: dict[str, Any] = {}
        self._routes: dict[str, str] = {}

    def route_of(self, path: str) -> str:
        """The route that stands for a path."""
        try:
            return self._routes[path]
        except KeyError:
            pass
        route = path if path in self._known else self._find(path)
        if len(self._routes) >= _MOST_CACHED:
            self._routes.clear()
        if len(path) <= LONGEST * DEEPEST:
            self._routes[path] = route
        return route

    def _find(self, path: str) -> str:
        segments = [part for part in path.split("/", 4 * DEEPEST) if part]
        for pattern, parts in self._patterns:
            if _fits(segments, parts):
                return pattern
        route, here = "", self._tree
        for number, text in enumerate(segments):
            kind = segment(text)
            if kind not in here and kind not in PLACEHOLDERS and len(here) >= self._most_values:
                kind = VALUE
            if kind not in here:
                if number == DEEPEST or self._branches >= self._most_branches:
                    return f"{route}/{REST}"
                self._branches += 1
            here = here.setdefault(kind, {})
            route = f"{route}/{kind}"
        return route or "/"


def _fits(segments: list[str], parts: list[str]) -> bool:
    """Whether the segments of a path are those of a pattern."""
    open_end = parts[-1].endswith(":path}")
    if len(segments) < len(parts) or (len(segments) > len(parts) and not open_end):
        return False
    return all(
        part == text or (part[:1] == "{" and text != REST)
        for text, part in zip(segments, parts, strict=False)
    )


_current: list[tuple[object, Paths]] = []


def wanted() -> bool:
    """Whether paths are to be routes where no router has said one."""
    return bool(settings.current().http_paths == "normalise")


def route_of(path: str) -> str:
    """The route that stands for a path, by the settings of this process."""
    found = settings.current()
    if not _current or _current[0][0] is not found:
        _current[:] = [(found, Paths(found.http_path_patterns))]
    return _current[0][1].route_of(path)
