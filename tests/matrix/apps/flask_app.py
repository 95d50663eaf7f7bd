"""Flask: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, abort, redirect, request
from werkzeug.wrappers import Response as BaseResponse

SERVERS = (
    "gunicorn",
    "gunicorn-gthread",
    "gunicorn-gevent",
    "hypercorn-wsgi",
    "granian-wsgi",
    "waitress",
    "werkzeug",
    "wsgiref",
)
APP = "app"
ROUTES = {
    "item": "/items/<int:item>",
    "sub": "/sub/items/<int:item>",
    "static": "/static/<path:filename>",
    "many": "/many/999/<x>",
}

app = Flask(__name__)
inner = Blueprint("inner", __name__, url_prefix="/sub")


@app.get("/items/<int:item>")
@inner.get("/items/<int:item>")
def item(item: int) -> str:
    return str(item)


app.register_blueprint(inner)


@app.get("/ok")
def ok() -> str:
    return "ok"


@app.get("/redirect")
def away() -> BaseResponse:
    return redirect("/ok", 302)


@app.get("/raise")
def fails() -> str:
    raise ValueError


@app.get("/teapot")
def teapot() -> str:
    abort(418)


@app.get("/late")
def late() -> Response:
    def chunks() -> Iterator[str]:
        yield "a"
        raise ValueError

    return Response(chunks())


@app.get("/stream")
def stream() -> Response:
    def chunks() -> Iterator[str]:
        yield "a"
        for letter in "bc":
            time.sleep(0.05)
            yield letter

    return Response(chunks())


@app.get("/endless")
def endless() -> Response:
    def chunks() -> Iterator[str]:
        while True:
            yield "more"
            time.sleep(0.01)

    return Response(chunks())


@app.get("/background")
def background() -> Response:
    answer = Response("answered")
    answer.call_on_close(lambda: time.sleep(1))
    return answer


@app.post("/upload")
def upload() -> str:
    return str(len(request.get_data()))


@app.get("/large")
def large() -> str:
    return "x" * 10_000_000


for number in range(1000):
    app.add_url_rule(f"/many/{number}/<x>", f"many{number}", lambda x: x)
