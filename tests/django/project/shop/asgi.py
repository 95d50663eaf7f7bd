"""The ASGI application: Django's for requests, consumers for WebSockets and event streams."""

from __future__ import annotations

import asyncio
import os

from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django = get_asgi_application()


class Room(AsyncWebsocketConsumer):
    """Says everything twice; "bye" ends it."""

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        for _ in range(2):
            await self.send(text_data=text_data)
        if text_data == "bye":
            await self.close(4002)
        if text_data == "fail":
            raise ValueError


class Refusing(WebsocketConsumer):
    """Takes no connection."""

    def connect(self) -> None:
        self.close()


class Old(WebsocketConsumer):
    """Synchronous."""

    def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        self.send(text_data=text_data)


class Slow(AsyncHttpConsumer):
    """Answers half a second after a file has come, and by then the client may have left."""

    async def handle(self, body: bytes) -> None:
        gate = os.environ.get("SHOP_GATE", __file__)
        while not os.path.exists(gate):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        await self.send_response(200, b"slow")


chat = URLRouter(
    [
        re_path(r"^other/(\d+)$", Old.as_asgi()),
        path("<slug:room>/", Room.as_asgi()),
        path("<slug:room>/old", Old.as_asgi()),
    ]
)
application = ProtocolTypeRouter(
    {
        "http": URLRouter([path("slow/<int:n>", Slow.as_asgi()), re_path("", django)]),
        "websocket": URLRouter([path("refused", Refusing.as_asgi()), path("chat/", chat)]),
    }
)
