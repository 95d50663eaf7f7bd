"""Hooks of gunicorn's configuration, and others, use the application at the server as their own."""

from __future__ import annotations

from typing import Any

import flask
from werkzeug.serving import make_server

from monagent.integrations._wsgi_stand_in import measured
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
    app: Any = measured(site)

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


def test_a_function_keeps_what_hangs_at_it(numbers: Numbers) -> None:
    """Attributes are read and set on the function itself."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"ok"]

    app.config = {"a": 1}  # type: ignore[attr-defined]
    served: Any = measured(app)

    assert (served.config, served.__name__) == ({"a": 1}, "app")
    assert call(served) == ("200 OK", b"ok")
    assert numbers.counts() == {"GET unmatched 200": 1}
