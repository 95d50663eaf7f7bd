"""Where monagent's own parts lie on disk, installed from a wheel or run from a source tree."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = os.path.dirname(os.path.abspath(__file__))
EXPORTER = os.path.join(PACKAGE, "exporter", "__main__.py")

SITE = "MONAGENT_SITE"
"""Internal variable: the folder with our dependencies, where it is not the one we lie in."""

VISITORS = ".visitors"
"""Behind the name of a state directory, the place for visitors: see `store.visitors`."""


def bootstrap() -> str:
    """The folder that PYTHONPATH has to name."""
    inside = os.path.join(PACKAGE, "bootstrap")
    return inside if os.path.isdir(inside) else os.path.join(_tree(), "bootstrap")


def leads_to(entry: str, folder: str) -> bool:
    """Whether this entry of PYTHONPATH names the folder, whose path is absolute and in its normal
    form; a relative one names none where the working directory is gone."""
    try:
        return os.path.abspath(entry) == folder
    except OSError:
        return False


def installed() -> bool:
    """Whether this is an installed package, with its dependencies beside it."""
    return os.path.isdir(os.path.join(PACKAGE, "bootstrap"))


def site(environ: Mapping[str, str]) -> str:
    """The folder that holds monagent's dependencies, perhaps for another Python than ours."""
    return environ.get(SITE) or os.path.dirname(PACKAGE)


def _tree() -> str:
    return os.path.dirname(os.path.dirname(PACKAGE))


def told(environ: Mapping[str, str]) -> str | None:
    """The state directory that `monagent run` has named to what it started, among the folders of
    PYTHONPATH: libraries that go through the environment at each call would pay for a variable."""
    for entry in environ.get("PYTHONPATH", "").split(os.pathsep):
        if is_tree_s(entry):
            return entry
    return None


def is_tree_s(path: str) -> bool:
    """Whether this is the name of a tree's own directory, which `store.directory` gives; the
    bootstrap knows them by the same."""
    above, name = os.path.split(path)
    pid, _, ticks = name.partition("-")
    known = os.path.basename(above).startswith("monagent-")
    return known and pid.isdecimal() and ticks.isdecimal()


def feed(directory: str) -> str:
    """Address of the socket on which the exporter of a state directory answers its programs.

    It is abstract, https://man7.org/linux/man-pages/man7/unix.7.html, since a worker that has
    given up root may not look into the directory any more.
    """
    return "\0monagent" + directory.removesuffix(VISITORS)[-90:]  # of 107 bytes at most
