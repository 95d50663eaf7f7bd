"""Flask-RESTX and Flask-RESTful: exceptions that they answer in front of Flask's handlers."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import flask
import pytest

from tests.http.numbers import Numbers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # They import what is deprecated.
    LIBRARIES = [importlib.import_module(name) for name in ("flask_restful", "flask_restx")]

# The oldest that we test use what newer interpreters deprecate.
pytestmark = [
    pytest.mark.usefixtures("numbers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def api(request: pytest.FixtureRequest) -> Any:
    """An API of one resource, which raises, in an application with a view that raises, too."""
    library = request.param
    app = flask.Flask("tested")
    options = {"doc": False} if library.__name__ == "flask_restx" else {}
    api = library.Api(app, prefix="/api", **options)

    def fails(kind: str) -> Any:
        if kind.isdecimal():
            flask.abort(int(kind))
        raise KeyError(kind)

    class Fails(library.Resource):  # type: ignore[misc,name-defined]  # found by its name
        def get(self, kind: str) -> Any:
            return fails(kind)

    api.add_resource(Fails, "/<kind>")
    app.add_url_rule("/view/<kind>", "view", fails)
    return api


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/api/key", "GET /api/<kind> 500 KeyError"),
        ("/api/403", "GET /api/<kind> 403"),
        ("/api/503", "GET /api/<kind> 503 503"),
        ("/view/key", "GET /view/<kind> 500 KeyError"),
        ("/view/503", "GET /view/<kind> 503 503"),
    ],
)
def test_an_exception_is_answered_with_its_class(
    numbers: Numbers, api: Any, path: str, recorded: str
) -> None:
    """As a view's of Flask is; what is aborted has its status alone."""
    with api.app.test_client().get(path) as answer:
        answer.get_data()

    assert numbers.counts() == {recorded: 1}


def test_an_answer_that_is_no_error_has_no_class(numbers: Numbers, api: Any) -> None:
    """Each library is told in its own way what becomes of an exception."""
    if hasattr(api, "errorhandler"):
        api.errorhandler(KeyError)(lambda _: ({}, 418))
    else:
        api.errors["KeyError"] = {"status": 418}
    with api.app.test_client().get("/api/key") as answer:
        answer.get_data()

    assert answer.status_code == 418
    assert numbers.counts() == {"GET /api/<kind> 418": 1}


def test_an_exception_that_is_let_out_is_counted_as_before(numbers: Numbers, api: Any) -> None:
    """With TESTING."""
    api.app.testing = True
    with pytest.raises(KeyError) as caught:
        api.app.test_client().get("/api/key")

    assert caught.traceback[-1].name == "fails"
    assert numbers.counts() == {"GET /api/<kind> 500 KeyError": 1}


@pytest.mark.swallows
def test_it_is_answered_whatever_of_ours_fails(
    numbers: Numbers, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, by its status alone."""
    from monagent.integrations import _flask_api

    monkeypatch.setattr(_flask_api, "error_type", None)
    answer = api.app.test_client().get("/api/key")

    assert (answer.status_code, answer.get_json()) == (500, {"message": "Internal Server Error"})
    assert numbers.counts() == {"GET /api/<kind> 500 500": 1}
