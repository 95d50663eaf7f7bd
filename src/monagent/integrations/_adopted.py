"""The application's own metrics, where MONAGENT_ADOPT asks for them: what is wrapped for that.

They are no libraries that monagent records: without the setting nothing here is loaded.
"""

from __future__ import annotations

import sys

from monagent import guard
from monagent.awaiting import ADOPTED
from monagent.conventions import _adopted as recorded
from monagent.instrument import Library, hooks, status, targets
from monagent.instrument.identity import pass_for
from monagent.instrument.library import version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

    Maker = Callable[[Any], Any]

LIBRARIES = {
    "otel": Library(
        "otel",
        versions=">=1.30",
        records=(),
        covers="metrics of the application's own",
        distribution="opentelemetry-api",
    ),
    "prometheus_client": Library(
        "prometheus_client",
        versions=">=0.8",
        records=(),
        covers="metrics of the application's own",
    ),
}
"""By the setting's word, what of it is covered."""


def begin(words: Iterable[str], ours: Callable[[str, str, str, str], bool]) -> None:
    """Adopt from here on; `ours` tells which metrics monagent has itself."""
    recorded.ours[:] = [ours]
    wanted = {name: word for word in words for name in ADOPTED[word]}

    def adopting(name: str) -> Callable[[ModuleType], None] | None:
        word = wanted.get(name)
        return None if word is None else lambda module: _apply(word, module)

    hooks.others.append(adopting)
    for name, word in wanted.items():
        module = sys.modules.get(name)
        if module is not None:
            _apply(word, module)


def target(
    word: str, module: str, path: str, *, optional: bool = False
) -> Callable[[Maker], Maker]:
    """Declare a function of the application's library; the decorated `make(original)` returns its
    wrapper, as for `replace`."""

    def declare(make: Maker) -> Maker:
        def make_passing(original: Any) -> Any:
            return pass_for(make(original), original)

        targets.add(targets.Target(word, module, path, make_passing, make.__name__, optional))
        return make

    return declare


def version(word: str) -> str:
    """The version of the library, "" when it cannot be told."""
    library = LIBRARIES[word]
    if word == "otel":  # Its top is a namespace, which has none.
        __import__("opentelemetry.version")
    module = sys.modules.get("opentelemetry.version" if word == "otel" else library.name)
    return "" if module is None else version_of(library, module)


def _apply(word: str, module: ModuleType) -> None:
    try:
        found = version(word)
        library = LIBRARIES[word]
        if not library.supports(found):
            reason = f"found version {found}, expected {library.versions}"
            status.put(word, found, status.UNSUPPORTED, reason)
            return
        __import__(f"{hooks.PACKAGE}._adopted_{word}")
        for one in targets.targets[word]:
            if one.module == module.__name__ and not one.apply(module) and not one.optional:
                status.put(word, found, status.MISSING, f"{one!r} is not there")
        status.put(word, found, status.ADOPTED, library.covers)
    except BaseException as error:
        status.put(word, "", status.FAILED, f"{type(error).__name__} while adopting")
        guard.failed(word, error)
