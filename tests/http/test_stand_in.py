"""Hooks of gunicorn's configuration, and others, use the application at the server as their own."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import flask
import pytest
from werkzeug.serving import make_server

from monagent.integrations._wsgi import shown
from tests.http.numbers import Numbers
from tests.http.test_wsgi import call


class Site:
    """An application of somebody's own."""

    name = "site"

    def __init__(self) -> None:
        self.config = {"a": 1}

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [self.name.encode()]


def test_an_application_that_measures_itself_stays_itself(numbers: Numbers) -> None:
    """Flask's, and of a class that derives from it."""

    class Own(flask.Flask):
        pass

    for app in (flask.Flask("site"), Own("site")):
        server = make_server("127.0.0.1", 0, app)
        server.server_close()
        assert server.app is app
        assert call(server.app)[0].startswith("404")

    assert numbers.counts() == {"GET unmatched 404": 2}


def test_any_other_application_is_used_through_its_stand_in(numbers: Numbers) -> None:
    """Read, written to, compared; it counts a request once."""
    site: Any = Site()
    app: Any = shown(site)

    assert (app.config, app.name, repr(app)) == (site.config, "site", repr(site))
    assert isinstance(app, Site)
    assert app == site
    assert bool(app)
    assert hash(app) == hash(site)
    assert app.__module__ == __name__
    assert app.__doc__ == Site.__doc__
    assert dir(app) == dir(site)
    app.name = "other"
    assert site.name == "other"
    del app.name
    assert site.name == "site"
    assert not hasattr(app, "nothing")
    assert call(app) == ("200 OK", b"site")
    assert numbers.counts() == {"GET unmatched 200": 1}


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda app: pickle.loads(pickle.dumps(app))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_it_is_one_of_the_application(numbers: Numbers, copied: Any) -> None:
    """As without us; nothing of ours is in it."""
    copy_of_it = copied(shown(Site()))

    assert type(copy_of_it) is Site
    assert copy_of_it.config == {"a": 1}
    assert numbers.counts() == {}


def hello(_environ: Any, start_response: Any) -> list[bytes]:
    """An application that is a function."""
    start_response("200 OK", [])
    return [b"ok"]


def test_a_copy_of_a_function_is_the_function(numbers: Numbers) -> None:
    """As `copy` and `pickle` have it."""
    app: Any = shown(hello)
    copies = [copy.copy(app), copy.deepcopy(app), pickle.loads(pickle.dumps(app))]

    assert all(type(each) is type(hello) for each in copies)
    assert copies == [hello] * 3
    assert b"monagent" not in pickle.dumps(app)
    assert numbers.counts() == {}


def test_a_function_keeps_what_hangs_at_it(numbers: Numbers) -> None:
    """Attributes are read and set on the function itself."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"ok"]

    app.config = {"a": 1}  # type: ignore[attr-defined]
    served: Any = shown(app)

    assert (served.config, served.__name__) == ({"a": 1}, "app")
    assert call(served) == ("200 OK", b"ok")
    assert numbers.counts() == {"GET unmatched 200": 1}
