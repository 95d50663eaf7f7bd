"""Bridges between ASGI and WSGI: an application inside one of the other kind adds its route to the
outer one's request, which counts once."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def handing_on(original: Any, outer: str = "scope", at: int = 0) -> Any:
    """Wrapper of a function that builds the inner environ or scope from the outer one, its argument
    of this name and place."""

    def build(*args: Any, **kwargs: Any) -> Any:
        built = original(*args, **kwargs)
        try:
            given = args[at] if len(args) > at else kwargs[outer]
            if KEY in given:
                exchange = built[KEY] = given[KEY]
                # A router in front may have handed it on.
                if exchange is not None and "endpoint" in given:
                    exchange.leads_on()
        except BaseException as error:
            http.failed(error)
        return built

    return build
