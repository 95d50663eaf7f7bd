"""aiohttp.web: `/` answers at once. `python -m benchmarks.apps.aiohttp_app PORT` serves it."""

from __future__ import annotations

import sys

from aiohttp import web


async def hello(_: web.Request) -> web.StreamResponse:
    return web.json_response({"hello": "world"})


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/", hello)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
