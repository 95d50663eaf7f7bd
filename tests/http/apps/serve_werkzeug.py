"""Serves the bare WSGI application with werkzeug's development server."""

from __future__ import annotations

import sys

from bare_wsgi import app  # type: ignore[import-not-found]  # beside this script
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), app)
