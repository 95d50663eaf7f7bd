"""What stands for an application where others get to see it: in gunicorn's hooks, at a server
object, in a map of routes.

They use it as the one that they gave: `worker.wsgi.app_context()`, `worker.wsgi.wsgi_app = ...`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def standing_in(app: Any, call: Callable[..., Any], **told: Any) -> Any:
    """What passes for an application in all but its call, which is `call`'s.

    Args:
        told: what is to be found at its type, by name.
    """
    looks = {name: getattr(app, name, None) for name in ("__module__", "__doc__")}
    names = {"__slots__": (), **looks, "__call__": staticmethod(call), **told}
    stand_in = type("StandIn", (StandIn,), names)()
    object.__setattr__(stand_in, "_monagent_app", app)
    return stand_in


class Passing:
    """Passes for something of the program's. Who copies it gets a copy of that."""

    __slots__ = ("_monagent_app",)
    _monagent_app: Any

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._monagent_app, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._monagent_app, name)

    @property  # type: ignore[misc]  # as proxies do it
    def __class__(self) -> Any:
        return type(self._monagent_app)

    def __dir__(self) -> Any:
        return dir(self._monagent_app)

    def __repr__(self) -> str:
        return repr(self._monagent_app)

    def __str__(self) -> str:
        return str(self._monagent_app)

    def __eq__(self, other: object) -> Any:
        return self._monagent_app == other or other is self

    def __hash__(self) -> int:
        return hash(self._monagent_app)

    def __bool__(self) -> bool:
        return bool(self._monagent_app)

    def __copy__(self) -> Any:
        from copy import copy

        return copy(self._monagent_app)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from copy import deepcopy

        return deepcopy(self._monagent_app, memo)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        from operator import getitem

        # Who reads it finds the application itself, and need not have us.
        return getitem, ((self._monagent_app,), 0)


class StandIn(Passing):
    """Passes for an application in all but its call."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._monagent_app, name)
