"""Puts monagent and what it needs into one folder that several Python minors can share, with
bytecode for the one that runs this.

usage: assemble.py SOURCE TARGET

Everything is pure Python or built for the stable ABI, but wrapt, whose accelerator is one file a
minor: these have names of their own, so all of them fit into the one package.
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


def pip(*arguments: str) -> None:
    """Runs pip of this interpreter; raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--quiet"]
    subprocess.run([*command, *arguments], check=True)


def main(source: str, target: str) -> None:
    site = Path(target, "site")
    # pip 25 gives up on OpenTelemetry's pins when one of its packages is a release behind.
    pip("--upgrade", "pip")
    pip("--target", str(site), source)
    version = next(site.glob("wrapt-*.dist-info")).stem.split("-")[1]
    for minor in MINORS:
        with tempfile.TemporaryDirectory() as folder:
            only = ("--python-version", minor, "--only-binary", ":all:", "--no-deps")
            pip("--target", folder, *only, f"wrapt=={version}")
            for accelerator in Path(folder, "wrapt").glob("*.so"):
                shutil.copy(accelerator, site / "wrapt")
    shutil.rmtree(site / "bin", ignore_errors=True)
    for cache in site.rglob("__pycache__"):
        shutil.rmtree(cache)
    # Files get other times on their way through images and volumes.
    compileall.compile_dir(
        site, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
