"""A Flask application as anybody would write it."""

import os

from flask import Flask, abort

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str) -> dict[str, str]:
    return {"hello": name}


@app.get("/pid")
def pid() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.get("/missing")
def missing() -> str:
    abort(404)


@app.get("/boom")
def boom() -> str:
    raise RuntimeError("boom")
