"""Serves an application with a server that has no command: `serve.py SERVER MODULE APP PORT`."""

from __future__ import annotations

import importlib
import os
import sys

server, module, attribute, port = sys.argv[1:]
sys.path[0] = os.getcwd()
app = getattr(importlib.import_module(module), attribute)

if server == "werkzeug":
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", int(port), app, threaded=True)
else:
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", int(port), app).serve_forever()
