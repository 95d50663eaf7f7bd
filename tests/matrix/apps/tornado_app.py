"""Tornado: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.routing import AnyMatches, Rule, RuleRouter
from tornado.web import Application, HTTPError, RequestHandler

SERVERS = ("self",)
APP = "app"
ROUTES = {
    "item": "/items/{item}",
    "sub": "/sub/items/{item}",
    "static": "/static/{}",
    "many": "/many/{n}/{{x}}",
}


class Ok(RequestHandler):
    def get(self, **_: str) -> None:
        self.finish("ok")


class Item(RequestHandler):
    def get(self, item: str) -> None:
        self.finish(item)


class Redirect(RequestHandler):
    def get(self) -> None:
        self.redirect("/ok")


class Raise(RequestHandler):
    def get(self) -> None:
        raise ValueError


class Teapot(RequestHandler):
    def get(self) -> None:
        raise HTTPError(418)


class Late(RequestHandler):
    async def get(self) -> None:
        self.write("a")
        await self.flush()
        raise ValueError


class Stream(RequestHandler):
    async def get(self) -> None:
        self.write("a")
        for letter in "bc":
            await self.flush()
            await asyncio.sleep(0.05)
            self.write(letter)


class Endless(RequestHandler):
    async def get(self) -> None:
        while True:
            self.write("more")
            await self.flush()
            await asyncio.sleep(0.01)


class Background(RequestHandler):
    async def get(self) -> None:
        await self.finish("answered")
        await asyncio.sleep(1)


class Upload(RequestHandler):
    def post(self) -> None:
        self.finish(str(len(self.request.body)))


class Large(RequestHandler):
    def get(self) -> None:
        self.finish(b"x" * 10_000_000)


sub = Application([(r"/sub/items/(?P<item>[0-9]+)", Item)])
main = Application(
    [
        (r"/ok", Ok),
        (r"/items/(?P<item>[^/]+)", Item),
        (r"/redirect", Redirect),
        (r"/raise", Raise),
        (r"/teapot", Teapot),
        (r"/late", Late),
        (r"/stream", Stream),
        (r"/endless", Endless),
        (r"/background", Background),
        (r"/upload", Upload),
        (r"/large", Large),
        *((rf"/many/{number}/(?P<x>\w+)", Ok) for number in range(1000)),
    ],
    static_path="static",
)
app = RuleRouter([(r"/sub/.*", sub), Rule(AnyMatches(), main)])


async def serve() -> None:
    """Until it is killed."""
    server = HTTPServer(app)
    server.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
