"""An application by uWSGI's usual name, in a module that looks itself up while it runs."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass

from plain import wsgi as application

__all__ = ["application"]


@dataclass
class Point:
    """What looks its module up when it is made, and when it is pickled."""

    x: int


assert sys.modules[__name__].__dict__ is globals()
assert __name__ in sys.modules
assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
