"""Flask: `/` answers at once."""

from __future__ import annotations

from flask import Flask

from benchmarks.apps import peers

app = Flask(__name__)


@app.get("/")
def hello() -> dict[str, str]:
    return {"hello": "world"}


app.wsgi_app = peers.wrap(app.wsgi_app)  # type: ignore[method-assign]  # As Flask's manual says.
