"""Answers below 500 that applications make of exceptions: no errors, unless they break."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import bottle
import falcon
import falcon.asgi
import flask
import pytest
import quart
from litestar import Litestar
from litestar import get as litestar_get
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from tests.http.asgi import Message, run, status
from tests.http.numbers import Numbers
from tests.http.wsgi import get

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It imports pkg_resources, which warns of itself.
    from pyramid.config import Configurator

# Newer versions of Litestar deprecate what the oldest that we test needs.
pytestmark = [
    pytest.mark.usefixtures("numbers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SORRY = "http://here/sorry"


def boom(*_: Any, **__: Any) -> Any:
    """A view."""
    raise ValueError


async def boom_later(*_: Any, **__: Any) -> Any:
    """The same for those that await it."""
    raise ValueError


def of_flask() -> int:
    """A handler of 500 that redirects."""
    app = flask.Flask("tested")
    app.add_url_rule("/boom", view_func=boom)
    app.register_error_handler(500, lambda _: flask.redirect(SORRY))
    return get(app, "/boom")


def of_quart() -> int:
    """A handler of 500 that redirects."""
    app = quart.Quart("tested")
    app.add_url_rule("/boom", view_func=boom_later)
    app.register_error_handler(500, lambda _: quart.redirect(SORRY))
    return status(run(app, "/boom"))


class Resource:
    """Falcon's."""

    on_get = staticmethod(boom)


class AsyncResource:
    """The same for ASGI."""

    on_get = staticmethod(boom_later)


class Redirecting:
    """Middleware of Falcon, which is called after its handlers of errors."""

    def process_response(self, _request: Any, response: Any, *_: Any) -> None:
        """Under WSGI."""
        response.status = falcon.HTTP_302

    async def process_response_async(self, _request: Any, response: Any, *_: Any) -> None:
        """Under ASGI."""
        response.status = falcon.HTTP_302


def of_falcon() -> int:
    """A middleware that redirects."""
    app = falcon.App(middleware=[Redirecting()])
    app.add_route("/boom", Resource())
    return get(app, "/boom")


def of_falcon_over_asgi() -> int:
    """A middleware that redirects."""
    app = falcon.asgi.App(middleware=[Redirecting()])
    app.add_route("/boom", AsyncResource())
    return status(run(app, "/boom"))


def of_bottle() -> int:
    """A handler of 500 that redirects."""
    app = bottle.Bottle()
    app.route("/boom", callback=boom)

    def sorry(_: Any) -> str:
        bottle.response.status = 302
        return ""

    app.error(500)(sorry)
    return get(app, "/boom")


def of_pyramid() -> int:
    """A tween in front of the views of exceptions."""

    def sorry(_: Any, request: Any) -> Any:
        request.response.status_int = 500
        return request.response

    with Configurator() as config:
        config.add_tween(f"{__name__}.tween", over="pyramid.tweens.excview_tween_factory")
        config.add_exception_view(sorry, context=ValueError)
        config.add_route("boom", "/boom")
        config.add_view(boom, route_name="boom")
        return get(config.make_wsgi_app(), "/boom")


def tween(handler: Any, _registry: Any) -> Any:
    """Pyramid finds it by its name."""

    def redirecting(request: Any) -> Any:
        response = handler(request)
        response.status_int = 302
        return response

    return redirecting


def of_litestar() -> int:
    """A hook that sees every message last."""

    async def redirect(message: Any, _scope: Any) -> None:
        if message["type"] == "http.response.start":
            message["status"] = 302

    app = Litestar(
        [litestar_get("/boom")(boom_in_litestar)], before_send=[redirect], logging_config=None
    )
    return status(run(app, "/boom"))


async def boom_in_litestar() -> None:
    """A handler whose signature it reads."""
    raise ValueError


def of_starlette() -> int:
    """A handler of 500 that redirects, behind which Starlette raises all the same."""

    async def sorry(*_: Any) -> RedirectResponse:
        return RedirectResponse(SORRY, 302)

    routes = [Route("/boom", boom_later)]
    app: Any = Starlette(routes=routes, exception_handlers={500: sorry})
    sent: list[Message] = []

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        async def kept(message: Message) -> None:
            sent.append(message)
            await send(message)

        await app(scope, receive, kept)

    with pytest.raises(ValueError):
        run(keeping, "/boom")
    return status(sent)


CASES: list[Callable[[], int]] = [
    of_bottle,
    of_falcon,
    of_falcon_over_asgi,
    of_flask,
    of_litestar,
    of_pyramid,
    of_quart,
    of_starlette,
]


@pytest.mark.parametrize("case", CASES, ids=[case.__name__ for case in CASES])
def test_an_exception_that_becomes_an_answer_below_500_is_no_error(
    numbers: Numbers, case: Callable[[], int]
) -> None:
    """Whoever has caught it, the status tells."""
    assert case() == 302

    assert numbers.counts() == {"GET /boom 302": 1}


def test_what_breaks_behind_such_an_answer_is_its_error(numbers: Numbers) -> None:
    """Not the exception that the answer was made of."""

    def pieces() -> Iterator[bytes]:
        yield b"sorry"
        raise LookupError

    app = flask.Flask("tested")
    app.add_url_rule("/boom", view_func=boom)
    app.register_error_handler(500, lambda _: (pieces(), 200))
    with pytest.raises(LookupError):
        get(app, "/boom")

    assert numbers.counts() == {"GET /boom 200 LookupError": 1}


def test_a_client_that_leaves_such_an_answer_is_no_error_of_a_view(numbers: Numbers) -> None:
    """It is the client's."""

    def start(*_: Any) -> Any:
        return None

    app = flask.Flask("tested")
    app.add_url_rule("/boom", view_func=boom)
    app.register_error_handler(500, lambda _: (iter([b"a", b"b"]), 200))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/boom", "SERVER_NAME": "here"}
    environ |= {"SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    body: Any = app(environ, start)
    next(iter(body))
    body.close()

    assert numbers.counts() == {"GET /boom 200 client_disconnected": 1}
