"""Bottle: every request of an application, by the rule that took it."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import measured_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange

LIBRARY = Library(
    "bottle",
    versions=">=0.12.19",
    records=("http", "realtime"),
    covers="requests and event streams of applications, by rule with the prefixes of mounts",
)


@replace("bottle", "Bottle.__call__")
def application(original: Any) -> Any:
    return measured_method(original)


@replace("bottle", "Router.match")
def match(original: Any) -> Any:
    def match(self: Any, environ: Any) -> Any:
        try:
            found = original(self, environ)
        except Exception as refused:
            try:
                if KEY in environ:
                    of_other_methods(original, self, environ, refused)
            except BaseException as error:
                http.failed(error)
            raise
        try:
            exchange = environ[KEY]
            taken(exchange, found[0])
        except (KeyError, AttributeError):
            pass  # Nobody measures, or the target is no route of an application.
        except BaseException as error:
            http.failed(error)
        return found

    return match


# An exception in a view, also in the first step of a generator, becomes one of these.
@replace("bottle", "HTTPError.__init__")
def error(original: Any) -> Any:
    def __init__(
        self: Any,
        status: Any = None,
        body: Any = None,
        exception: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        original(self, status, body, exception, *args, **kwargs)
        try:
            if isinstance(exception, BaseException) and self.status_code >= 500:
                raised(exception)
        except BaseException as ours:
            http.failed(ours)

    return __init__


def of_other_methods(match: Any, router: Any, environ: Any, refused: Any) -> None:
    """Bottle says which methods a path has routes for, not which: so it is matched once more,
    which only a 405 pays for; not where filters are the application's, which may do anything."""
    allowed = refused.get_header("Allow", "") if refused.__class__.__name__ == "HTTPError" else ""
    if not allowed or any(made.__module__ != "bottle" for made in router.filters.values()):
        return
    asked = {"PATH_INFO": environ["PATH_INFO"], "REQUEST_METHOD": allowed.partition(",")[0]}
    try:
        found = match(router, asked)
    except Exception:  # A value that its filter refuses.
        return
    taken(environ[KEY], found[0])


def taken(exchange: Exchange, route: Any) -> None:
    """A route has taken the request; that of a mount hands it on."""
    mount = route.config.get("mountpoint.prefix")
    if mount:
        exchange.mounted("/" + mount.strip("/"))
    else:
        exchange.route = exchange.prefix + route.rule


def raised(exception: BaseException) -> None:
    """A view has raised; Bottle makes a 500 of it."""
    import bottle  # Imported already, it is running.

    try:
        environ = bottle.request.environ
    except RuntimeError:
        return  # Made where no request is: in a thread of the application's own.
    exchange = environ.get(KEY) if environ else None
    if exchange is not None:
        exchange.caught = error_type(exception)
