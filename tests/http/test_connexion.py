"""Connexion: every request by its path in the OpenAPI document, whatever routes it inside."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import flask
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from monagent.integrations._asgi import measured
from tests.http.asgi import run, status
from tests.http.numbers import Numbers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It imports what jsonschema warns of.
    import connexion
    from connexion.exceptions import ProblemException
    from connexion.lifecycle import ConnexionResponse
    from connexion.options import SwaggerUIOptions

pytestmark = pytest.mark.usefixtures("numbers")

PATHS = {
    "/items/{item-id}": ("item", "integer"),
    "/fail/{kind}": ("fail", "string"),
    "/stream": ("stream", ""),
}
DOCUMENT = {
    "openapi": "3.0.0",
    "info": {"title": "tested", "version": "1"},
    "paths": {
        path: {
            "get": {
                "operationId": name,
                "responses": {"200": {"description": "as it says"}},
                "parameters": [
                    {
                        "name": path.partition("{")[2][:-1],
                        "in": "path",
                        "required": True,
                        "schema": {"type": kind},
                    }
                ][: bool(kind)],
            }
        }
        for path, (name, kind) in PATHS.items()
    },
}


def fails(kind: str) -> str:
    """Raises by name."""
    if kind == "http":
        raise HTTPException(403)
    if kind == "problem":
        raise ProblemException(status=409)
    if kind == "server":
        raise HTTPException(503)
    if kind == "handled":
        raise LookupError
    raise ValueError(kind)


def handled(request: Any, error: Exception) -> Any:
    """The application's own handler."""
    return ConnexionResponse(status_code=410)


def asynchronous() -> Any:
    """An application on Starlette, its document at `/v1`, and a rule beside it."""

    async def item(item_id: int) -> str:
        return str(item_id)

    async def fail(kind: str) -> str:
        return fails(kind)

    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            await asyncio.sleep(0)

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def beside(request: Any) -> PlainTextResponse:
        return PlainTextResponse("beside")

    operations = {"item": item, "fail": fail, "stream": stream}
    app = connexion.AsyncApp("tested", resolver=operations.__getitem__)
    app.add_url_rule("/beside/{x}", "beside", beside)
    return finished(app)


def on_flask() -> Any:
    """The same on Flask."""

    def item(item_id: int) -> str:
        return str(item_id)

    def fail(kind: str) -> str:
        if kind == "http":
            flask.abort(403)
        return fails(kind)

    def stream() -> flask.Response:
        def pieces() -> Iterator[str]:
            yield "data: 1\n\n"

        return flask.Response(pieces(), mimetype="text/event-stream")

    operations = {"item": item, "fail": fail, "stream": stream}
    app = connexion.FlaskApp("tested", resolver=operations.__getitem__)
    app.add_url_rule("/beside/<x>", "beside", lambda x: "beside")
    return finished(app)


def finished(app: Any) -> Any:
    """With its document, without its pages."""
    pages = SwaggerUIOptions(swagger_ui=False)
    app.add_api(DOCUMENT, base_path="/v1", swagger_ui_options=pages)
    app.add_error_handler(LookupError, handled)
    return app


APPLICATIONS = {"asynchronous": asynchronous, "on_flask": on_flask}


@pytest.fixture(params=list(APPLICATIONS))
def app(request: pytest.FixtureRequest, numbers: Numbers) -> Any:
    """An application of either kind."""
    return APPLICATIONS[request.param]()


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/v1/items/3", "GET /v1/items/{item-id} 200"),
        ("/v1/openapi.json", "GET /v1/openapi.json 200"),
        ("/nothing", "GET unmatched 404"),
        ("/v1/fail/http", "GET /v1/fail/{kind} 403"),
        ("/v1/fail/problem", "GET /v1/fail/{kind} 409"),
        ("/v1/fail/server", "GET /v1/fail/{kind} 503 503"),
        ("/v1/fail/handled", "GET /v1/fail/{kind} 410"),
        ("/v1/fail/now", "GET /v1/fail/{kind} 500 ValueError"),
    ],
)
def test_a_request_counts_by_its_path_in_the_document(
    app: Any, numbers: Numbers, path: str, recorded: str
) -> None:
    """As it is spelled there, behind the document's base."""
    assert status(run(app, path)) == int(recorded.split()[2])

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_what_is_not_in_the_document_has_the_route_of_the_application_inside(
    numbers: Numbers,
) -> None:
    """In its own spelling; what it does not know either is bounded."""
    run(asynchronous(), "/beside/1")
    run(asynchronous(), "/v1/items/none")
    run(on_flask(), "/beside/1")
    run(on_flask(), "/v1/items/none")

    assert numbers.counts() == {
        "GET /beside/{x} 200": 1,
        "GET /v1 404": 1,
        "GET /beside/<x> 200": 1,
        "GET unmatched 404": 1,
    }


def test_an_event_stream_is_no_request(app: Any, numbers: Numbers) -> None:
    """It has a lifetime, by its path in the document."""
    run(app, "/v1/stream")

    assert numbers.counts() == {}
    assert numbers.counts("sse.connection.duration") == {"/v1/stream": 1}


def test_a_mounted_application_has_its_mount_point(app: Any, numbers: Numbers) -> None:
    """Once, and not again for each router that Connexion asks."""
    outer = Starlette(routes=[Mount("/api", app)])
    run(outer, "/api/v1/items/3")
    run(outer, "/api/v1/openapi.json")

    assert numbers.counts() == {
        "GET /api/v1/items/{item-id} 200": 1,
        "GET /api/v1/openapi.json 200": 1,
    }


def test_any_application_may_stand_behind_the_middleware(numbers: Numbers) -> None:
    """The document's path counts where it has one, else the application's own."""

    async def item(request: Any) -> PlainTextResponse:
        return PlainTextResponse("item")

    inside = Starlette(routes=[Route("/v1/items/{id}", item), Route("/own/{x}", item)])
    app = connexion.ConnexionMiddleware(inside, resolver=lambda name: item)
    app.add_api(DOCUMENT, base_path="/v1")
    run(measured(app), "/v1/items/3")
    run(measured(app), "/own/1")

    assert numbers.counts() == {"GET /v1/items/{item-id} 200": 1, "GET /own/{x} 200": 1}


def test_a_wrong_method_has_the_path_of_its_route(app: Any, numbers: Numbers) -> None:
    """Starlette answers for Connexion, but the document's path counts, mounted or not."""
    assert status(run(app, "/v1/items/3", "POST")) == 405
    assert status(run(Starlette(routes=[Mount("/api", app)]), "/api/v1/items/3", "POST")) == 405

    assert numbers.counts() == {
        "POST /v1/items/{item-id} 405": 1,
        "POST /api/v1/items/{item-id} 405": 1,
    }
