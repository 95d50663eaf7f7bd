"""The exporter's command: `python -I …/exporter/__main__.py --dir DIR [--fd N] [--detach]`.

Everything else comes from the environment (see settings).  It runs on the program's own Python, of
whatever minor version, and takes monagent from where this file lies, and nothing else from there.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.settings import Settings

USAGE = (
    "usage: python -I exporter/__main__.py --dir DIR [--fd N] [--host HOST] [--port PORT]"
    " [--path PATH] [--told] [--detach]"
)


def main(arguments: list[str]) -> int:
    """Exporter of one directory; ends at once when that has one already."""
    try:
        options = _options(arguments)
    except ValueError as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 2
    _find_monagent()
    from monagent.exporter import detach
    from monagent.exporter.lock import Lock
    from monagent.exporter.users import Users
    from monagent.store import directory

    path = os.path.abspath(options["dir"])
    fd = int(options["fd"]) if "fd" in options else None
    if "detach" in options:
        detach.detach(fd)
    detach.settle()
    try:
        lock = Lock(directory.prepare(path))
        if not lock.take():
            return 0
    except (OSError, directory.Refused) as error:
        print(f"monagent: {error}", file=sys.stderr)
        return 1
    users = Users(path)
    users.expect()  # A short program may be there before what follows is loaded.
    # Only now what takes long to import: a loser must cost nothing.
    try:
        from monagent.exporter import run

        return run(path, _settings(options), lock, users, fd, "told" in options)
    except Exception as error:
        _died(path, error)
        raise


def _died(path: str, error: Exception) -> None:
    """Nobody sees our stderr: says why there is no endpoint, where somebody does."""
    import traceback

    from monagent.exporter.voice import Voice
    from monagent.guard import LEVELS

    level = os.environ.get("MONAGENT_LOG_LEVEL", "")
    voice = Voice(path, level if level in LEVELS else "info")
    last = traceback.extract_tb(error.__traceback__)[-1]
    voice.say(f"the exporter has failed: {error!r} ({last.filename}:{last.lineno})", "error")
    voice.log("".join(traceback.format_exception(error)))


def _options(arguments: list[str]) -> dict[str, str]:
    switches, values = ("told", "detach"), ("dir", "fd", "host", "port", "path")
    options = {}
    rest = iter(arguments)
    for argument in rest:
        name = argument.removeprefix("--")
        if name in switches:
            options[name] = "on"
        elif name in values and argument != name:
            options[name] = next(rest, "")
        else:
            raise ValueError(f"{argument}: unknown option")
    if not options.get("dir"):
        raise ValueError("--dir: found nothing, expected the state directory")
    return options


def _settings(options: dict[str, str]) -> Settings:
    from monagent import settings

    environ = dict(os.environ)
    for name in ("host", "port", "path"):
        if name in options:
            environ[f"MONAGENT_{name.upper()}"] = options[name]
    found = settings.load(environ)
    settings.use(found)
    return found


def _find_monagent() -> None:
    """Loads our own package by its place: its neighbours may be made for another Python."""
    if "monagent" in sys.modules:
        return
    from importlib.util import module_from_spec, spec_from_file_location

    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = spec_from_file_location(
        "monagent",
        os.path.join(package, "__init__.py"),
        submodule_search_locations=[package],
    )
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["monagent"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
