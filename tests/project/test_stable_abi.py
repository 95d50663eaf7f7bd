"""The part in C, built with the headers of any Python, does no harm in any other."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.environment import COMPILES
from tests.launch.oracle import python

ROOT = Path(__file__).resolve().parents[2]
MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
MORTAL = ("3.10", "3.11")
TIMES = 1000
PROGRAM = """\
import http.client, http.server, sqlite3, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_message = lambda *_: None

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = http.client.HTTPConnection(*server.server_address)
database = sqlite3.connect(":memory:")

def work(times):
    for _ in range(times):
        client.request("GET", "/")
        client.getresponse().read()
        cursor = database.cursor()
        cursor.execute("select 1").fetchall()
        cursor.close()

def counts():
    return [sys.getrefcount(one) for one in (None, True, False, 204, "GET")]

work(50)
before = counts()
work(int(sys.argv[1]))
print("monagent._native" in sys.modules, *(now - then for now, then in zip(counts(), before)))
client.close()
server.shutdown()
database.close()
"""


@pytest.mark.skipif(not COMPILES, reason="no compiler, or no Python.h")
@pytest.mark.parametrize("builder", MINORS)
def test_the_part_in_c_counts_references_as_every_python_does(builder: str, tmp_path: Path) -> None:
    """None is mortal before 3.12 whatever the headers say; those before know of no immortal one."""
    interpreter = python(builder)
    if interpreter is None:
        pytest.skip(f"no Python {builder} on this machine")
    build = (sys.executable, "-m", "uv", "build", "-q", "--wheel", "--python", interpreter)
    subprocess.run([*build, "--out-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    if "abi3" not in wheel.name:
        pytest.skip(f"Python {builder} has no headers here")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    needs = [f"{site}/monagent/bootstrap", str(site), sysconfig.get_path("purelib")]

    for minor in MINORS:
        user = python(minor)
        if user is None:
            continue
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(needs),
            "MONAGENT_DIR": str(tmp_path / f"state-{minor}"),
            "MONAGENT_EXPORTER": "off",
        }
        done = subprocess.run(
            [user, "-c", PROGRAM, str(TIMES)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert (minor, done.returncode, done.stderr) == (minor, 0, "")
        loaded, *moved = done.stdout.split()
        assert (minor, loaded) == (minor, "True")
        # Of the mortal ones a program and its other thread hold now more, now fewer.
        allowed = TIMES // 2 if minor in MORTAL else 0
        assert max(abs(int(count)) for count in moved) <= allowed, f"Python {minor}: {moved}"
