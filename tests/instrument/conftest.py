"""Libraries and integrations made up for a test, hooked as real ones are."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monagent import integrations
from monagent.instrument import hooks, status, targets

NAME = "madeup_library"

INTEGRATION = """
from monagent.instrument import Library, watch
LIBRARY = Library("madeup_library", versions=">=1", records=("http",), covers="nothing")
CALLS = []
@watch("madeup_library", "function")
@watch("madeup_library.inner", "Class.method")
def seen(call):
    CALLS.append(call.args)
    yield
"""

LIBRARY = {
    "__init__.py": "__version__ = '1.2'\ndef function(value): return value\n",
    "inner.py": "import madeup_library\nclass Class:\n    def method(self, value): return value\n",
    "broken.py": "raise ValueError('broken')\n",
    "old.py": "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n",
    "lazy.py": "def __getattr__(name):\n    return 42 if name == 'late' else missing\n",
}


@pytest.fixture
def library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[object]]]:
    """A library on the path with an integration; gives what the integration saw."""
    folder = tmp_path / "site" / NAME
    folder.mkdir(parents=True)
    for name, text in LIBRARY.items():
        (folder / name).write_text(text)
    extra = tmp_path / "integrations"
    extra.mkdir()
    (extra / f"{NAME}.py").write_text(INTEGRATION)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(integrations, "__path__", [*integrations.__path__, str(extra)])
    monkeypatch.setattr(hooks, "on_disk", lambda: frozenset({NAME}))
    importlib.invalidate_caches()

    yield lambda: sys.modules[f"{hooks.PACKAGE}.{NAME}"].CALLS

    hooks.uninstall()
    for name in [name for name in sys.modules if NAME in name]:
        del sys.modules[name]
    targets.targets.pop(NAME, None)
    status.known.clear()
