"""An application that says which process it runs in."""

from __future__ import annotations

import asyncio
import os

from sanic import Sanic
from sanic.request import Request
from sanic.response import BaseHTTPResponse, text

app = Sanic("workers")


@app.get("/pid")
async def pid(request: Request) -> BaseHTTPResponse:
    await asyncio.sleep(0.005)  # or one process takes all that come one by one
    return text(str(os.getpid()))
