"""What the endpoint shows of HTTP clients changes on purpose only."""

from __future__ import annotations

import sys
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
    "aiohttp": """
async def work():
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        async def ask(path, method="GET", **options):
            try:
                async with session.request(method, base + path, **options) as answer:
                    await answer.read()
            except Exception:
                pass
        await ask("/upload", "POST", data=b"x")
        for path in ("/redirect/1", "/limited", "/close", "/reset"):
            await ask(path)
        held = await session.get(base + "/stall")
        await ask("/ok", timeout=aiohttp.ClientTimeout(connect=0.05))
        held.close()
asyncio.run(work())
""",
    "httpx": """
client = httpx.Client(follow_redirects=True, limits=httpx.Limits(max_connections=1))
client.post(base + "/upload", content=b"x")
for path in ("/redirect/1", "/limited", "/close", "/reset"):
    attempt(lambda: client.get(base + path))
held = client.send(client.build_request("GET", base + "/ok"), stream=True)
attempt(lambda: client.get(base + "/ok", timeout=httpx.Timeout(5, pool=0.01)))
""",
    "urllib": """
import http.client, urllib.request
urllib.request.urlopen(base + "/upload", data=b"x").read()
for path in ("/limited", "/close", "/reset"):
    attempt(lambda: urllib.request.urlopen(base + path).read())
connection = http.client.HTTPConnection(base.partition("://")[2])
connection.request("GET", "/ok")
connection.getresponse().read()
urllib.request.urlopen(base + "/redirect/1").read()
""",
    "pycurl": """
def call(path):
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, base + path)
    handle.setopt(pycurl.FOLLOWLOCATION, True)
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    handle.perform()
for path in ("/ok", "/limited", "/reset", "/redirect/1"):
    attempt(lambda: call(path))
""",
    "botocore": """
import botocore.config, botocore.session
client = botocore.session.get_session().create_client(
    "s3", endpoint_url=base, region_name="eu-west-1",
    aws_access_key_id="nobody", aws_secret_access_key="nothing",
    config=botocore.config.Config(
        retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}
    ),
)
attempt(lambda: client.get_object(Bucket="status", Key="404"))
attempt(lambda: client.get_object(Bucket="status", Key="200"))
attempt(lambda: client.get_object(Bucket="reset", Key="x"))
""",
}
LAST = {
    "urllib": "http_client_request_resends_total{",
    "pycurl": "http_client_request_resends_total{",
    "botocore": 'rpc_client_call_duration_seconds_count{error_type="connection_',
}
PREFIXES = {"botocore": "rpc_client_"}


@pytest.mark.parametrize("library", CALLS)
def test_names_and_labels_of_clients_change_on_purpose_only(
    library: str, server: Server, tmp_path: Path, golden: goldens.Golden
) -> None:
    """Every metric of the family, through the front door."""
    program = PROGRAM.format(library=library, calls=CALLS[library])
    command = (sys.executable, "-c", program, server.url(""))
    environ = {"MONAGENT_PEER_SERVICES": "127.*=misbehaving"}
    with running(command, tmp_path, environ=environ) as run:
        last = LAST.get(library, "http_client_connection_timeouts_total{")
        until(lambda: last in run.text(), "the last thing counted", 30)
        golden(library, run.text, PREFIXES.get(library, "http_client_"))
