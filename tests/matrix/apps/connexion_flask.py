"""Connexion on Flask: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import connexion
import flask
from _openapi import document

SERVERS = ("uvicorn", "hypercorn")
APP = "app"
ROUTES = {
    "item": "/items/{item-id}",
    "sub": "/sub/items/{item-id}",
    "static": "/static/<path:filename>",
    "many": "/many/{n}/{{x}}",
}
EXCEPT = {"background": "has no background tasks"}
# What handles every exception says by one of its own that a response had begun already.
DIFFERS = {"late": {"error": "RuntimeError"}}


def ok(**parameters: str) -> flask.Response:
    return flask.Response("ok")


def item(item_id: int) -> str:
    return str(item_id)


def redirect() -> flask.Response:
    return flask.redirect("/ok", 302)  # type: ignore[return-value]  # a Response of werkzeug's


def fails() -> str:
    raise ValueError


def teapot() -> str:
    flask.abort(418)


def late() -> flask.Response:
    def chunks() -> Iterator[str]:
        yield "a"
        raise ValueError

    return flask.Response(chunks())


def stream() -> flask.Response:
    def chunks() -> Iterator[str]:
        yield "a"
        for letter in "bc":
            time.sleep(0.06)
            yield letter

    return flask.Response(chunks())


def endless() -> flask.Response:
    def chunks() -> Iterator[str]:
        # Nobody tells it that the client has left, so that this has an end.
        for _ in range(100):
            yield "more"
            time.sleep(0.01)

    return flask.Response(chunks())


def upload(body: bytes) -> flask.Response:
    return flask.Response(str(len(body)))


def large() -> flask.Response:
    return flask.Response("x" * 10_000_000)


app = connexion.FlaskApp(
    "tested",
    resolver=lambda name: globals()[name.partition(" ")[0]],
    server_args={"static_folder": __file__.rpartition("/")[0] + "/static"},
)
app.add_api(
    document(
        {
            "get /ok": ok,
            "get /items/{item-id}": item,
            "get /redirect": redirect,
            "get /raise": fails,
            "get /teapot": teapot,
            "get /late": late,
            "get /stream": stream,
            "get /endless": endless,
            "post /upload": upload,
            "get /large": large,
            **{f"get /many/{number}/{{x}}": ok for number in range(1000)},
        }
    )
)
app.add_api(document({"get /items/{item-id}": item}), base_path="/sub")
