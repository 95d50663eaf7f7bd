"""Two forked processes of Tornado on one socket, as its documentation has it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.web import Application, RequestHandler


class Pid(RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0.005)  # or one process takes all that come one by one
        self.finish(str(os.getpid()))


sockets = bind_sockets(int(sys.argv[1]), "127.0.0.1")
signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
fork_processes(2)
signal.signal(signal.SIGTERM, signal.SIG_DFL)


async def main() -> None:
    server = HTTPServer(Application([(r"/pid", Pid)]))
    server.add_sockets(sockets)
    await asyncio.Event().wait()


asyncio.run(main())
