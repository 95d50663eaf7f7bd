"""What the endpoint shows of Socket.IO changes on purpose only."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import golden as goldens
from tests.e2e.command import running, until

# The client's part of the protocol by hand: connect, one event, leave.
PROGRAM = """
import io, json, time
import socketio
server = socketio.Server(async_mode="threading")
server.on("ask", lambda sid: server.emit("told"))
app = socketio.WSGIApp(server)
def ask(method, query, body=b""):
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": "/socket.io/", "wsgi.url_scheme": "http",
        "QUERY_STRING": "EIO=4&transport=polling" + query, "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    return b"".join(app(environ, lambda *_: None)).decode()
sid = "&sid=" + json.loads(ask("GET", "")[1:])["sid"]
for packet in (b"40", b'42["ask"]'):
    ask("POST", sid, packet)
    ask("GET", sid)
ask("POST", sid, b"41")
time.sleep(60)
"""


def test_names_and_labels_of_socketio_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Every metric of the family, through the front door."""
    with running((sys.executable, "-c", PROGRAM), tmp_path) as run:
        until(lambda: "socketio_connection_duration_seconds_count" in run.text(), "its end", 30)
        golden("socketio", run.text, "socketio_")
