"""Names that a program makes up, as labels: ids in them are `{id}`, and so many are told apart.

Programs make tables, files and schedules by the import, by the tenant or by the day.
"""

from __future__ import annotations

OTHER = "_OTHER"

_ID_DIGITS = 5
"""A number of so many, as a process or a day has, is nobody's name for anything."""


class Names:
    """The first `most` that this process meets; `OTHER` stands for the rest."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._known: set[str] = set()
        self._most = most

    def of(self, name: str) -> str:
        """The name as a label."""
        known = self._known
        if name not in known:
            if len(known) >= self._most:
                return OTHER
            known.add(name)
        return name


def without_ids(name: str) -> str:
    """`{id}` in the place of UUIDs, hashes, dates and numbers of five or more digits."""
    if sum(map(str.isdigit, name)) < _ID_DIGITS:
        return name
    import re  # 10 ms, if nobody has done so: for these names alone.

    return re.sub(
        r"[0-9a-fA-F]{8}([-_]?[0-9a-fA-F]{4}){3}[-_]?[0-9a-fA-F]{12}"
        r"|(?<![0-9A-Za-z])(?=[a-f]*\d)[0-9a-f]{12,}(?![0-9A-Za-z])"
        r"|\d{4}([-_])\d\d\2\d\d(?!\d)"
        rf"|\d{{{_ID_DIGITS},}}",
        "{id}",
        name,
    )
