"""What the endpoint shows of HTTP clients changes on purpose only."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

import pytest

from tests import golden as goldens
from tests.e2e.command import running, until
from tests.http_client.server import Server

PROGRAM = """
import asyncio, sys
import {library}
base = sys.argv[1]
def attempt(call):
    try:
        call()
    except Exception:
        pass
{calls}
import time
print("done", flush=True)
time.sleep(60)
"""
CALLS = {
    "requests": """
import urllib3
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_block=True))
session.post(base + "/upload", data=b"x")
for path in ("/redirect/1", "/limited", "/close", "/reset"):
    attempt(lambda: session.get(base + path))
pool = urllib3.HTTPConnectionPool("127.0.0.1", base.rpartition(":")[2], maxsize=1, block=True)
held = pool.urlopen("GET", "/ok", preload_content=False)
attempt(lambda: pool.urlopen("GET", "/ok", pool_timeout=0.01))
""",
    "httpx": """
client = httpx.Client(follow_redirects=True, limits=httpx.Limits(max_connections=1))
client.post(base + "/upload", content=b"x")
for path in ("/redirect/1", "/limited", "/close", "/reset"):
    attempt(lambda: client.get(base + path))
held = client.send(client.build_request("GET", base + "/ok"), stream=True)
attempt(lambda: client.get(base + "/ok", timeout=httpx.Timeout(5, pool=0.01)))
""",
}


@pytest.mark.parametrize("library", CALLS)
def test_names_and_labels_of_clients_change_on_purpose_only(
    library: str, server: Server, tmp_path: Path, golden: goldens.Golden
) -> None:
    """Every metric of the family, through the front door."""
    program = PROGRAM.format(library=library, calls=CALLS[library])
    command = (sys.executable, "-c", program, server.url(""))
    environ = {"MONAGENT_PEER_SERVICES": "127.*=misbehaving"}
    with running(command, tmp_path, environ=environ) as run:

        def text() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{run.metrics}/metrics") as answer:
                found: bytes = answer.read()
            return found.decode()

        until(lambda: "http_client_connection_timeouts_total{" in text(), "a timeout", 30)
        shown = text()

    golden(library, shown, "http_client_")
