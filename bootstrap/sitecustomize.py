"""Start monagent in this Python process, then let the sitecustomize run that this file hides.

Python imports this file at every start because its folder is on PYTHONPATH. It has to parse on
any Python (2.7 too), where it does nothing but step aside, and it can never fail the program.
"""

import os
import sys


def _begin():
    # type: () -> None
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        if "monagent" not in sys.modules and _known():
            _start(here)
    except KeyboardInterrupt:
        raise
    except BaseException:
        _say("could not start, the program runs without it: " + repr(sys.exc_info()[1]))
    # Off sys.path with our folders: children get them from PYTHONPATH, nobody else needs them.
    for entry in list(sys.path):
        if entry == here or os.path.abspath(entry) == here or _is_tree_s(entry):
            sys.path.remove(entry)


def _is_tree_s(path):
    # type: (str) -> bool
    """The state directory, which `monagent run` names there: monagent.where.told."""
    above, name = os.path.split(path)
    pid, _, ticks = name.partition("-")
    return os.path.basename(above).startswith("monagent-") and pid.isdigit() and ticks.isdigit()


def _known():
    # type: () -> bool
    """Other implementations lack modules of CPython's and lose additions to a cell; so does
    CPython while its lock is off (free-threaded builds, from which only PYTHON_GIL=1 keeps it)."""
    if sys.version_info < (3, 10) or sys.implementation.name != "cpython":
        return False
    locked = getattr(sys, "_is_gil_enabled", None)
    return locked is None or locked()


def _start(here):
    # type: (str) -> None
    """Load monagent from the tree that this file belongs to, whatever else has that name."""
    import _frozen_importlib
    import _frozen_importlib_external

    package = os.path.dirname(here)
    if not os.path.exists(os.path.join(package, "agent.py")):
        package = os.path.join(package, "src", "monagent")
    other = _other()
    if other:
        _say("found another module of this name, " + other + "; switched off")
        return
    spec = _frozen_importlib_external.spec_from_file_location(
        "monagent",
        os.path.join(package, "__init__.py"),
        submodule_search_locations=[package],
    )
    assert spec is not None and spec.loader is not None
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules["monagent"] = module
    spec.loader.exec_module(module)
    from monagent import settings

    if settings.current().enabled:
        from monagent import agent

        agent.start(os.environ)


def _other():
    # type: () -> str | None
    """A module of the program's own that is called monagent as well: the program needs it more."""
    script = [arg for arg in sys.orig_argv[1:5] if arg[:1] != "-" and os.path.isfile(arg)]
    folders = [os.path.dirname(os.path.abspath(script[0])) if script else "."]
    for folder in folders + sys.path:
        if os.path.isfile(os.path.join(folder, "monagent", "guard.py")):
            continue
        for name in ("monagent.py", "monagent/__init__.py"):
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
    return None


def _say(line):
    # type: (str) -> None
    try:
        sys.stderr.write("monagent: " + line + "\n")
    except Exception:
        pass


def _imported():
    # type: () -> bool
    """Whether an import statement asked for us.

    If not, the sitecustomize of another product has found us and runs us by hand (New Relic's
    does): it has not asked whether there is one, and fails when it hears that there is none.
    """
    if not hasattr(sys, "implementation") or sys.implementation.name != "cpython":
        return True  # Python 2 imports in C, PyPy shows no frames of it.
    frame = sys._getframe(3)
    while frame.f_code.co_filename.startswith("<frozen importlib") and frame.f_back:
        if frame.f_code.co_name == "_find_and_load":
            return True
        frame = frame.f_back
    return False


def _unveil():
    # type: () -> None
    by_import = _imported()
    here = sys.modules.pop("sitecustomize", None)
    try:
        # What comes of this import, error or not, is what comes of ours: site reports errors as it
        # would have, and takes "no module named sitecustomize" for what it is.
        import sitecustomize  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        if by_import or getattr(sys.exc_info()[1], "name", None) != "sitecustomize":
            raise
    finally:
        if here is not None and not by_import:
            sys.modules.setdefault("sitecustomize", here)


_begin()
_unveil()
