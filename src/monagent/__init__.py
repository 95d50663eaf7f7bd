"""monagent: metrics of any Python program without changing it.

Importing this package does nothing and costs nothing; see agent.py for what a start does.
"""

from __future__ import annotations

__version__ = "0.1.0"
