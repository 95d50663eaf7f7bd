"""Compiles the C beside it when a wheel is built, for all CPythons from 3.10 on; without a compiler
the wheel is one without it, which records the same in Python alone.

`MONAGENT_NATIVE=off` builds without it. https://hatch.pypa.io/latest/plugins/build-hook/reference/
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "_native.abi3.so"
OFF = ("off", "false", "no", "0")


class NativeHook(BuildHookInterface[Any]):
    """Adds the compiled file to a wheel, and says in its name what machine it is for."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is "editable" for one that leads back to this tree, which gets the file."""
        package = Path(self.root, "src", "monagent")
        editable = version == "editable"
        self.made = tempfile.TemporaryDirectory()
        folder = package if editable else Path(self.made.name)
        reason = compiled(Path(self.root, "src", "native"), folder / NAME)
        if reason:
            self.app.display_warning(f"monagent is built without its part in C: {reason}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp310-abi3-{platform}"
        if not editable:
            build_data["force_include"][str(folder / NAME)] = f"monagent/{NAME}"

    def finalize(self, *_: Any) -> None:
        """The wheel is written."""
        self.made.cleanup()


def compiled(folder: Path, target: Path) -> str:
    """Compiles what C is in `folder` to `target`; returns why it could not."""
    if os.environ.get("MONAGENT_NATIVE", "").strip().lower() in OFF:
        return "MONAGENT_NATIVE says so"
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python is not one that it is for"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    include = sysconfig.get_path("include")
    beside = target.with_suffix(".new")  # A process may have the old one in memory.
    sources = sorted(map(str, folder.glob("*.c")))
    # Without stubs for what is called in Python: each is a line of code to fetch at each request.
    options = ["-O2", "-fPIC", "-fno-plt", "-shared", "-fvisibility=hidden", f"-I{include}"]
    command = [*compiler, *options, *sources, "-o", str(beside)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    if done.returncode:
        return next(iter(done.stderr.splitlines()), f"{compiler[0]} ended with {done.returncode}")
    beside.replace(target)
    return ""
