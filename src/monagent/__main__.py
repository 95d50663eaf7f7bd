"""`python -m monagent`: the same as the command `monagent`."""

from __future__ import annotations

import sys

from monagent.cli import main

if __name__ == "__main__":
    sys.exit(main())
