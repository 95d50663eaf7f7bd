"""niquests passes the table of all clients, in environments of its own.

Its urllib3-future takes urllib3's place in the environment that it is installed into, which is no
place for the other tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, passes

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NEEDED = ["pytest", "trustme", "wrapt", "hypercorn", "requests"]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["niquests>=3.21", "niquests==3.14.0"])
def test_niquests_is_recorded_as_the_table_says(tmp_path: Path, version: str) -> None:
    """The newest and the oldest, with requests beside them over the same fork of urllib3."""
    python = made(tmp_path, *NEEDED, version)
    files = ("test_matrix.py", "test_nesting.py", "in_niquests.py", "in_niquests_promises.py")
    tests = [*(str(HERE / file) for file in files), str(ROOT / "tests" / "contract")]
    # Streams that nobody closes warn, as they do without us.
    said = passes(python, "-W", "default", "-k", "niquests", *tests)

    assert " passed" in said
