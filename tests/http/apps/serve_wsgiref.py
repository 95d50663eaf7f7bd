"""Serves the bare WSGI application with the standard library."""

from __future__ import annotations

import sys
from wsgiref.simple_server import make_server

from bare_wsgi import app  # type: ignore[import-not-found]  # beside this script

make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
