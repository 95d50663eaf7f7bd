"""The application of `plain`, in Flask."""

from flask import Flask
from plain import answer

app = Flask(__name__)


@app.get("/<name>")
def all_of_it(name: str) -> bytes:
    body: bytes = answer("/" + name)
    return body
