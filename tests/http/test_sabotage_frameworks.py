"""Whatever of an integration fails, the answers of its framework stay the same."""

from __future__ import annotations

import gzip
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monagent import guard
from monagent.conventions import http
from monagent.integrations import _tornado_arrival
from monagent.integrations._wsgi import measured
from tests.http import (
    test_bottle,
    test_connexion,
    test_falcon,
    test_litestar,
    test_pyramid,
    test_quart,
)
from tests.http.asgi import run
from tests.http.numbers import Numbers
from tests.http.serve_tornado import handling, post, serve
from tests.http.test_sabotage import Bottom, broken
from tests.http.wsgi import get

pytestmark = [pytest.mark.swallows, pytest.mark.usefixtures("numbers")]


def asked(app: Any, *paths: str) -> list[int]:
    """The statuses that these paths get."""
    return [get(measured(app), path) for path in paths]


def connexion(folder: Path) -> list[Any]:
    """All that its applications send."""
    paths = ("/v1/items/3", "/v1/none", "/beside/1", "/v1/fail/http", "/v1/fail/now")
    makers = (test_connexion.asynchronous, test_connexion.on_flask)
    return [run(make(), path) for make in makers for path in paths]


def falcon(folder: Path) -> list[Any]:
    """In both interfaces."""
    paths = ("/items/3", "/none", "/sink/x", "/static/none", "/fail/http", "/fail/now")
    return [
        *asked(test_falcon.wsgi(folder), *paths),
        *([message["type"] for message in run(test_falcon.asgi(folder), path)] for path in paths),
    ]


def bottle(folder: Path) -> list[Any]:
    """Mounts and errors."""
    paths = ("/items/3", "/none", "/merged/items/3", "/flask/things/x", "/fail/now", "/fail/http")
    app = test_bottle.application(folder)
    return [*asked(app, *paths), get(app, "/items/3", "DELETE"), get(app, "/merged/items/3", "PUT")]


def pyramid(folder: Path) -> list[Any]:
    """Mounts, traversal and errors."""
    paths = ("/bare", "/a/b/edit", "/a/none", "/pyramid/things/x", "/fail/lost", "/sub")
    return asked(test_pyramid.application(folder), *paths)


def litestar(folder: Path) -> list[Any]:
    """Mounts, guards, middleware and errors."""
    paths = ("/one", "/none", "/inner/leaf/x", "/foreign/plain/x", "/api/v1/orders/guarded")
    return [
        *(run(test_litestar.nested(folder), path) for path in paths),
        *(run(test_litestar.failing(), path) for path in ("/value", "/key", "/403")),
    ]


def quart(folder: Path) -> list[Any]:
    """Blueprints and errors."""
    paths = ("/sync/a", "/none", "/outer/inner/leaf/7/", "/outer/inner/value", "/outer/inner/key")
    refused = run(test_quart.nested(), "/outer/inner/leaf/7/", "DELETE")
    # The methods of a set, in any order.
    return [*(run(test_quart.nested(), path) for path in paths), [each["type"] for each in refused]]


def test_packed_bodies_arrive_whatever_of_ours_fails(
    numbers: Numbers, swallowed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Tornado, which unpacks them piece by piece."""
    from tornado.web import Application

    monkeypatch.setattr(_tornado_arrival, "PACKED", None)  # No name of an attribute.
    body = gzip.compress(b"a" * 1000)
    whole = handling(lambda handler: handler.write(str(len(handler.request.body))))
    app = Application([("/whole", whole)])
    zipped = post("/whole", body, "Content-Encoding: gzip\r\n")
    answers = serve(app, zipped, zipped, decompress_request=True)

    assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [b"1000"] * 2
    assert numbers.counts() == {"POST /whole 200": 2}
    assert swallowed


SHARED = ("monagent.integrations._mounts", "monagent.integrations._werkzeug_rules")
FRAMEWORKS = (bottle, connexion, falcon, litestar, pyramid, quart)


def helpers(name: str) -> list[str]:
    """What an integration's wrappers call, by "module:path"."""
    module = f"monagent.integrations.{name}"
    return [
        f"{module}:{function.__name__}"
        for function in vars(sys.modules[module]).values()
        if inspect.isfunction(function)
        and function.__module__ in (module, *SHARED)
        and "original" not in inspect.signature(function).parameters
    ]


@pytest.mark.parametrize("answers", FRAMEWORKS, ids=lambda answers: answers.__name__)
@pytest.mark.parametrize("error", [ValueError, Bottom], ids=lambda kind: kind.__name__)
def test_answers_stay_the_same_whatever_fails(
    numbers: Numbers,
    swallowed: list[Any],
    tmp_path: Path,
    answers: Callable[[Path], list[Any]],
    error: type[BaseException],
) -> None:
    """Each function alone."""
    expected = answers(tmp_path)
    noticed = []
    for where in helpers(answers.__name__):
        with pytest.MonkeyPatch.context() as patch:
            broken(patch, where, error)
            swallowed.clear()
            guard.forget()
            http.broken = False
            assert answers(tmp_path) == expected, where
            noticed.append(bool(swallowed))
    http.broken = False

    assert any(noticed)
