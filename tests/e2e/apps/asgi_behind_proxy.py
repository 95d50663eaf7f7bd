"""The FastAPI application inside hypercorn's own middleware, which copies each scope deeply."""

from asgi_fastapi import app as behind
from hypercorn.middleware import ProxyFixMiddleware

app = ProxyFixMiddleware(behind, mode="legacy", trusted_hops=1)
