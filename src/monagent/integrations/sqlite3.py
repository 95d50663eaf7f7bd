"""sqlite3: every statement of every connection and cursor, with their types as they were.

The C types cannot be patched, so subclasses take their places in the module: `type(connection) is
sqlite3.Connection` holds, and an application's own factories and subclasses, which derive from what
the module offers, record as well. What came from `_sqlite3` past the module does not. One thing
shows: where C raised, a traceback ends in a frame of ours, as every Python function has one.
"""

from __future__ import annotations

import sys

from monagent.conventions import database
from monagent.conventions.database import covered
from monagent.instrument import Library, substitute
from monagent.instrument.watch import failed
from monagent.integrations._database import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "sqlite3",
    versions="",
    records=("database",),
    covers="statements and failed connections",
)

NAME = "sqlite3"
SYSTEM = "sqlite"
FACTORY = 5
"""Position of the argument `factory` of `sqlite3.connect`."""

database.expect_refusals(SYSTEM, "sqlite3.OperationalError")


@substitute("sqlite3.dbapi2", "Cursor")
@substitute("sqlite3", "Cursor")
def recording_cursor(base: Any) -> Any:
    class Cursor(base):  # type: ignore[misc]  # its base is known at run time
        __slots__ = ()
        execute = recorded(base.execute)
        executemany = recorded(base.executemany)
        executescript = recorded(base.executescript, "BATCH")

    return named(Cursor, base)


@substitute("sqlite3.dbapi2", "Connection")
@substitute("sqlite3", "Connection")
def recording_connection(base: Any) -> Any:
    cursor_class = vars(sys.modules["sqlite3.dbapi2"])["Cursor"]

    native = base.cursor
    # Until 3.10 these three call the method `cursor`, which the application may have overridden.
    if sys.version_info >= (3, 11):

        def new_cursor(self: Any) -> Any:
            return native(self, cursor_class)

    else:

        def new_cursor(self: Any) -> Any:
            return self.cursor()

    class Connection(base):  # type: ignore[misc]  # its base is known at run time
        __slots__ = ("_monagent_namespace",)

        def __init__(self, /, *args: Any, **kwargs: Any) -> None:
            base.__init__(self, *args, **kwargs)
            try:
                path = args[0] if args else kwargs.get("database")
                self._monagent_namespace = database.namespace(database.file_name(path))
            except BaseException as error:
                failed(NAME, error)

        def cursor(self, /, *args: Any, **kwargs: Any) -> Any:
            if args or kwargs:
                return native(self, *args, **kwargs)
            return native(self, cursor_class)

        def execute(self, /, *args: Any, **kwargs: Any) -> Any:
            cursor = new_cursor(self)
            cursor.execute(*args, **kwargs)
            return cursor

        def executemany(self, /, *args: Any, **kwargs: Any) -> Any:
            cursor = new_cursor(self)
            cursor.executemany(*args, **kwargs)
            return cursor

        def executescript(self, /, *args: Any, **kwargs: Any) -> Any:
            cursor = new_cursor(self)
            cursor.executescript(*args, **kwargs)
            return cursor

    for name in ("__init__", "cursor", "execute", "executemany", "executescript"):
        looks(vars(Connection)[name], getattr(base, name))
    return named(Connection, base)


@substitute("sqlite3.dbapi2", "connect")
@substitute("sqlite3", "connect")
def connecting(original: Any) -> Any:
    def connect(*args: Any, **kwargs: Any) -> Any:
        if len(args) <= FACTORY and "factory" not in kwargs:
            kwargs["factory"] = vars(sys.modules["sqlite3.dbapi2"])["Connection"]
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            try:
                if not covered():
                    database.refused(SYSTEM, error)
            except BaseException as ours:
                failed(NAME, ours)
            raise

    connect.__module__ = original.__module__
    return looks(connect, original)


def recorded(method: Any, verb: str | None = None) -> Any:
    """A cursor's method that counts; `verb` where the text has several."""

    def labels(cursor: Any, args: tuple[Any, ...], _: dict[str, Any]) -> database.Labels:
        name = getattr(cursor.connection, "_monagent_namespace", None)
        return SYSTEM, name, verb or database.verb(args[0] if args else ""), None

    return looks(measured(NAME, method, labels), method)


def looks(function: Any, original: Any) -> Any:
    """`function` with the name, text and signature of a C function."""
    function.__name__ = original.__name__
    function.__qualname__ = original.__qualname__
    function.__doc__ = original.__doc__
    function.__wrapped__ = original
    return function


def named(made: Any, base: Any) -> Any:
    """The class `made` with the name and text of its base."""
    made.__module__ = base.__module__
    made.__name__ = base.__name__
    made.__qualname__ = base.__qualname__
    made.__doc__ = base.__doc__
    return made
