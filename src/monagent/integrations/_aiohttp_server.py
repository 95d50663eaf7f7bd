"""aiohttp.web: how its server is watched, from the protocol that hands a request to its handler.

The `Served` of a request lies on the writer of its response; what is sent is seen in
`_aiohttp_answer`, what fails or is given up here.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions import http, http_workers
from monagent.conventions.http import error_type
from monagent.integrations._aiohttp_answer import Served, received, route_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def handling(original: Any) -> Any:
    """Wrapper of `RequestHandler._handle_request`."""
    arrivals = http.arrivals
    excluded = http.excluder()
    watchful = excluded is not None or http.some_off()
    istr = sys.modules["multidict"].istr
    queued, queued_too = istr("X-Request-Start"), istr("X-Queue-Start")

    async def _handle_request(
        self: Any, request: Any, start_time: Any, request_handler: Any
    ) -> Any:
        served = None
        try:
            headers = request._message.headers
            if queued in headers or queued_too in headers:
                http.queued(headers.get(queued) or headers[queued_too])
            if not watchful or not left_out(excluded, self, request):
                secure = request._transport_sslcontext is not None
                found = Served()
                try:
                    found.arrival = arrivals["https" if secure else "http"][request._method]
                    add = found.active = found.arrival.add
                    add(1.0)
                    found.start = perf_counter()
                    served = found
                except KeyError:
                    if not http.broken:
                        found.begin(request._method, "https" if secure else "http")
                        served = found
                if served is not None:
                    request._payload_writer._monagent = served
        except BaseException as error:
            served = None
            http.failed(error)
        if served is None:
            return await original(self, request, start_time, request_handler)
        try:
            result = await original(self, request, start_time, request_handler)
        except BaseException as error:
            try:
                broke(served, self, request, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            if not served.recorded or served.status == 101:
                handled(served, request, result)
        except BaseException as error:
            http.failed(error)
        return result

    return _handle_request


def stopping(original: Any) -> Any:
    """Wrapper of `Server.shutdown`, for gunicorn's workers of aiohttp."""

    async def shutdown(self: Any, timeout: Any = None) -> None:
        try:
            http_workers.served(self.requests_count - 1)  # One more than its limit ends a worker.
        except BaseException as error:
            http_workers.failed(error)
        await original(self, timeout)

    return shutdown


def failing(original: Any) -> Any:
    """Wrapper of `RequestHandler.handle_error`, which makes an answer of an exception."""

    def handle_error(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            served = getattr(request._payload_writer, "_monagent", None)
            status = args[0] if args else kwargs.get("status", 500)
            error = args[1] if len(args) > 1 else kwargs.get("exc")
            error = error or sys.exc_info()[1]  # of a timeout it gets the status alone
            if served.__class__ is Served and status >= 500 and error is not None:
                served.error = error_type(error)
        except BaseException as ours:
            http.failed(ours)
        return original(self, request, *args, **kwargs)

    return handle_error


def left_out(excluded: Any, server: Any, request: Any) -> bool:
    """Whether nobody is to measure it, for its server's sake or its URL's."""
    if http.left_alone(server):
        return True
    return excluded is not None and bool(excluded(request.scheme, request.host, request.path))


def handled(served: Served, request: Any, result: Any) -> None:
    """The handler has returned, and what it returned was sent or could not be."""
    if served.connection is not None:
        answer: Any = result[0] if result.__class__ is tuple else None
        # What was raised was sent into the open WebSocket, where no client can read it.
        raised = isinstance(answer, Exception) and request._protocol._manager is not None
        served.connection.ended(error_type(answer) if raised else None)
    if not served.recorded:
        served.gone = served.gone or result is True or result[1] is True
        finish(served, request)


def broke(served: Served, protocol: Any, request: Any, error: BaseException) -> None:
    """Nothing more comes: the handler failed after the headers, or was cancelled."""
    # The connection is lost; one that the server itself gives up still has its manager.
    lost = protocol._manager is None
    if served.connection is not None:
        failed = served.error or error_type(error)
        served.connection.ended(None if lost else failed)
    if not served.recorded:
        served.gone = lost
        if served.error is None and not served.status:
            served.error = error_type(error)
        finish(served, request)


def finish(served: Served, request: Any) -> None:
    """Record what came to no orderly end, or with an error of the server."""
    served.route = route_of(request)
    served.received = received(request)
    served.over(None)
