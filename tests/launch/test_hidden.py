"""The sitecustomize that ours hides runs as if ours were not there."""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from monagent import where
from tests.launch.oracle import ENV, RUN, run, same

REPORT = (
    "import sys; found = sys.modules.get('sitecustomize');"
    "print(found and (found.__name__, found.__file__, found.__spec__.name, found.__loader__.path))"
)

HIDDEN = {
    "prints": "print('unveiled', __name__)\nvalue = 1\n",
    "raises": "print('unveiled')\nraise ValueError('in hidden')\n",
    "lacks a module": "print('unveiled')\nimport no_such_module_anywhere\n",
    "has no syntax": "this is not python\n",
    "exits": "import sys\nprint('unveiled')\nsys.stdout.flush()\nimport os\nos._exit(4)\n",
    "replaces itself": "import sys, types\nprint('unveiled')\n"
    "sys.modules[__name__] = types.SimpleNamespace(__name__='sitecustomize', __file__='f',\n"
    "    __spec__=__spec__, __loader__=__loader__)\n",
    "changes sys.path": "import sys\nsys.path.append('/added')\n",
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_hidden_sitecustomize_runs_once_under_its_own_name(kind: str, tmp_path: Path) -> None:
    """Output, errors as site reports them, and the module that is left behind are equal."""
    (tmp_path / "sitecustomize.py").write_text(HIDDEN[kind])
    command = [sys.executable, "-c", REPORT + "; print(sys.path)"]

    found = same(command, environ={"PYTHONPATH": str(tmp_path)})

    if kind not in ("has no syntax", "changes sys.path"):
        assert found.stdout.count(b"unveiled") == 1


def test_without_a_hidden_one_there_is_no_module_of_that_name() -> None:
    """`import sitecustomize` of the program fails as before."""
    same([sys.executable, "-c", REPORT])
    same([sys.executable, "-c", "import sitecustomize"])


def test_usercustomize_runs_once(tmp_path: Path) -> None:
    """It comes after sitecustomize, with and without an error."""
    for text in ("print('user')\n", "print('user')\nraise ValueError('in user')\n"):
        (tmp_path / "usercustomize.py").write_text(text)
        python = os.path.realpath(sys.executable)  # virtual environments have no user site
        found = same([python, "-c", "print('main')"], environ={"PYTHONPATH": str(tmp_path)})
        assert found.stdout.count(b"user") == 1


def test_verbose_start_does_not_fail(tmp_path: Path) -> None:
    """`python -v` reports errors in sitecustomize by another way."""
    (tmp_path / "sitecustomize.py").write_text(HIDDEN["raises"])
    environ = {"PYTHONPATH": str(tmp_path)}

    for mode in (RUN, ENV):
        found = run(mode, [sys.executable, "-v", "-c", "print('main')"], environ=environ)
        assert found.stdout == b"unveiled\nmain\n"
        assert b"ValueError: in hidden" in found.stderr


def test_two_bootstraps_start_one_agent(tmp_path: Path) -> None:
    """An image's own monagent and that of `monagent run` meet on one PYTHONPATH."""
    code = (
        "import sys; print(sum(type(f).__module__.startswith('monagent') for f in sys.meta_path))"
    )
    command = [sys.executable, "-c", code]

    once = run(RUN, command)
    twice = run(RUN, command, environ={"PYTHONPATH": where.bootstrap() + "/."})

    assert once == twice
    assert once.stdout == b"1\n"


FRONT = {
    "loads it into its own module": "    spec.loader.load_module('sitecustomize')\n",
    "loads it anew": "    del sys.modules['sitecustomize']\n"
    "    spec.loader.load_module('sitecustomize')\n",
    "runs it by hand": "    module = importlib.util.module_from_spec(spec)\n"
    "    spec.loader.exec_module(module)\n",
    "imports it": "    own = sys.modules.pop('sitecustomize')\n"
    "    try:\n        import sitecustomize\n"
    "    except ImportError:\n        sys.modules['sitecustomize'] = own\n",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("hides", ["nothing", "another", "a broken one"])
@pytest.mark.parametrize("way", FRONT)
def test_a_sitecustomize_in_front_passes_on_to_ours_and_goes_on(
    way: str, hides: str, tmp_path: Path
) -> None:
    """New Relic's and Datadog's stand before ours and look for the one that they hide."""
    if "load_module" in FRONT[way] and not hasattr(SourceFileLoader, "load_module"):
        pytest.skip("loaders load no modules by hand since 3.15")
    front, behind = tmp_path / "front", tmp_path / "behind"
    front.mkdir()
    behind.mkdir()
    (front / "sitecustomize.py").write_text(
        "import importlib.util, os, sys\n"
        "from importlib.machinery import PathFinder\n"
        "sys.path.remove(os.path.dirname(__file__))\n"
        "spec = PathFinder.find_spec('sitecustomize', sys.path)\n"
        f"if spec:\n{FRONT[way]}"
        "print('the one in front is whole')\n"
    )
    if hides != "nothing":
        broken = "raise ImportError('broken')\n" if hides == "a broken one" else ""
        (behind / "sitecustomize.py").write_text(f"print('unveiled')\n{broken}")
    code = "import sys; print('monagent.agent' in sys.modules, 'sitecustomize' in sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    tail = os.pathsep + str(behind)

    bare = run("bare", command, environ={"PYTHONPATH": f"{front}{tail}"})
    found = run(
        "bare",
        command,
        environ={"PYTHONPATH": f"{front}{os.pathsep}{where.bootstrap()}{tail}"}
        | {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")},
    )

    assert found.stdout == bare.stdout.replace(b"False", b"True", 1)
    assert (found.code, found.stderr) == (bare.code, bare.stderr)
