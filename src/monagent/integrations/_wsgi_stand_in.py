"""A measured WSGI application where others get to see it: in gunicorn's hooks, at a server object.

They use it as the one that they gave: `worker.wsgi.app_context()`, `worker.wsgi.wsgi_app = ...`.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.integrations import _wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.integrations._wsgi import App

APP = "_monagent_app"


def measured(app: App) -> App:
    """As `_wsgi.measured`, by the application itself where it is one that measures itself."""
    own = getattr(type(app).__call__, "__globals__", None)
    if http.left_alone(app) or own is vars(_wsgi):
        return app
    looks = {name: getattr(app, name, None) for name in ("__module__", "__doc__")}
    called = {"__call__": staticmethod(_wsgi.measured(app))}
    stand_in = type("StandIn", (StandIn,), {"__slots__": (), **looks, **called})()
    object.__setattr__(stand_in, APP, app)
    return stand_in  # type: ignore[no-any-return]


class StandIn:
    """Passes for an application in all but its call."""

    __slots__ = (APP,)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, APP), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, APP), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, APP), name)

    @property  # type: ignore[misc]  # as proxies do it
    def __class__(self) -> Any:
        return type(object.__getattribute__(self, APP))

    def __dir__(self) -> Any:
        return dir(object.__getattribute__(self, APP))

    def __repr__(self) -> str:
        return repr(object.__getattribute__(self, APP))

    def __str__(self) -> str:
        return str(object.__getattribute__(self, APP))

    def __eq__(self, other: object) -> Any:
        return object.__getattribute__(self, APP) == other or other is self

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, APP))

    def __bool__(self) -> bool:
        return bool(object.__getattribute__(self, APP))
