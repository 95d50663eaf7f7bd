"""`/pid` over aiohttp."""

from __future__ import annotations

from aiohttp import web
from plain import answer


async def told(request: web.Request) -> web.Response:
    """What a path does."""
    return web.Response(body=answer(request.path))


async def make() -> web.Application:
    """The application, in its worker."""
    made = web.Application()
    made.router.add_get("/pid", told)
    return made
