"""Lazy imports, which Python has since 3.15: who imports late is watched all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runtime.programs import program

pytestmark = pytest.mark.skipif(
    not hasattr(sys, "get_lazy_imports"), reason="imports are lazy since 3.15"
)


def test_a_library_is_watched_when_a_lazy_import_of_it_happens(tmp_path: Path) -> None:
    """And its integration is not loaded before."""
    text = """
        import sys
        lazy import sqlite3
        lazy from sqlite3 import connect
        print("sqlite3" in sys.modules, "monagent.integrations.sqlite3" in sys.modules)
        connect(":memory:").execute("select 1")
        sqlite3.connect(":memory:").execute("select 1")
        print(connect is sqlite3.connect)
    """
    found = program(text, tmp_path)

    assert (found.code, found.output, found.errors) == (0, b"False False\nTrue\n", b"")
    assert found.counted.total("db.client.operation.duration") == 2


def test_calls_count_where_all_imports_are_lazy(tmp_path: Path) -> None:
    """Wrappers look for modules that the library has not needed yet."""
    text = """
        import http.server, threading, urllib.request, requests
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
            def log_message(self, *args): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = "http://127.0.0.1:%d/" % server.server_port
        with urllib.request.urlopen(url) as answer:
            print(answer.read())
        print(requests.get(url).content)
        server.shutdown()
        thread.join()
        server.server_close()
    """
    found = program(text, tmp_path, environ={"PYTHON_LAZY_IMPORTS": "all"})

    assert (found.code, found.output, found.errors) == (0, b"b'ok'\nb'ok'\n", b"")
    assert found.counted.total("http.client.request.duration") == 2


def test_nothing_of_ours_is_left_to_be_imported_later(tmp_path: Path) -> None:
    """In the middle of a request or of a signal's handler. What is the program's stays lazy."""
    text = """
        import sys, colorsys, sqlite3
        sqlite3.connect(":memory:").execute("select 1")
        for name, module in sorted(sys.modules.items()):
            if name.startswith("monagent"):
                for held, value in vars(module).items():
                    if type(value).__name__ == "lazy_import":
                        print(name, held)
        print(type(globals()["colorsys"]).__name__)
    """
    found = program(text, tmp_path, environ={"PYTHON_LAZY_IMPORTS": "all"})

    assert (found.output, found.errors) == (b"lazy_import\n", b"")
