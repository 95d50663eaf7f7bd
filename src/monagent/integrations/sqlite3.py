"""sqlite3: every statement of every connection and cursor, with their types as they were.

The C types cannot be patched, so subclasses take their places in the module: `type(connection) is
sqlite3.Connection` holds, and an application's own factories and subclasses, which derive from what
the module offers, record as well. What came from `_sqlite3` past the module does not. One thing
shows: where C raised or warned, there is a frame of ours, as every Python function has one.
"""

from __future__ import annotations

import os
import sys

from monagent.conventions import database
from monagent.conventions.database import covered
from monagent.instrument import Library, substitute
from monagent.instrument.identity import step_aside
from monagent.instrument.targets import Unsupported
from monagent.instrument.watch import failed
from monagent.integrations._database import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
    beside_the_first()

    class Cursor(base):  # type: ignore[misc]  # its base is known at run time
        __slots__ = ()
        execute = recorded(base, "execute")
        executemany = recorded(base, "executemany")
        executescript = recorded(base, "executescript", "BATCH")

    return named(Cursor, base)


@substitute("sqlite3.dbapi2", "Connection")
@substitute("sqlite3", "Connection")
def recording_connection(base: Any) -> Any:
    beside_the_first()
    cursor_class = home("Connection", base)["Cursor"]

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
            path: Any = args[0] if args else kwargs.get("database")
            own = False
            try:
                own = is_own(path)
            except BaseException as error:
                failed(NAME, error)
            if own:
                path = os.fspath(path)
                if args:
                    args = path, *args[1:]
                else:
                    kwargs["database"] = path
            base.__init__(self, *args, **kwargs)
            try:
                keep(self, database.namespace(database.file_name(path)))
            except BaseException as error:
                failed(NAME, error)

        def cursor(self, /, *args: Any, **kwargs: Any) -> Any:
            if args or kwargs:
                return native(self, *args, **kwargs)
            return native(self, cursor_class)

        def execute(self, /, *args: Any, **kwargs: Any) -> Any:
            if kwargs:  # It takes none, and says so by its own name.
                return base.execute(self, *args, **kwargs)
            cursor = new_cursor(self)
            cursor.execute(*args)
            return cursor

        def executemany(self, /, *args: Any, **kwargs: Any) -> Any:
            if kwargs:
                return base.executemany(self, *args, **kwargs)
            cursor = new_cursor(self)
            cursor.executemany(*args)
            return cursor

        def executescript(self, /, *args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) != 1:
                return base.executescript(self, *args, **kwargs)
            cursor = new_cursor(self)
            cursor.executescript(*args)
            return cursor

    slot: Any = vars(Connection)["_monagent_namespace"]
    keep = slot.__set__
    # Out of sight of `dir` and of what a subclass has for __setattr__ and __getattr__.
    del Connection._monagent_namespace
    namespaces[base.__module__] = slot.__get__
    for name in ("__init__", "cursor", "execute", "executemany", "executescript"):
        looks(vars(Connection)[name], getattr(base, name))
    return named(Connection, base)


@substitute("sqlite3.dbapi2", "connect")
@substitute("sqlite3", "connect")
def connecting(original: Any) -> Any:
    beside_the_first()
    module = home("connect", original)
    factory = module["Connection"]

    class BuiltIn:
        """A function that is no method of a class that holds it, as functions of C are none."""

        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            in_place = module.get("Connection") is factory  # until it is put back
            if in_place and len(args) <= FACTORY and "factory" not in kwargs:
                kwargs["factory"] = factory
            try:
                return original(*args, **kwargs)
            except BaseException as error:
                try:
                    if not covered():
                        database.refused(SYSTEM, error)
                except BaseException as ours:
                    failed(NAME, ours)
                raise

        def __reduce__(self) -> str:
            return "connect"

        def __repr__(self) -> str:
            return repr(original)

    connect = looks(BuiltIn(), original)
    connect.__module__ = module["__name__"]  # where pickle finds it
    return connect


def beside_the_first() -> None:
    """Refuse CPython 3.12's interpreters beside the first one: a connection of a class that derives
    from sqlite3's makes their end free what is not theirs, and abort the program."""
    if sys.version_info[:2] == (3, 12):
        import _xxsubinterpreters as interpreters  # type: ignore[import-not-found,unused-ignore]

        if interpreters.get_current() != interpreters.get_main():
            raise Unsupported("Python 3.12 lacks what it takes in an interpreter beside the first")


namespaces: dict[str, Callable[[Any], str | None]] = {}
"""What reads the name of a connection's database, by the module of its type."""


def home(name: str, found: Any) -> dict[str, Any]:
    """The module in which `found` is about to be substituted."""
    for module in ("sqlite3.dbapi2", "sqlite3"):
        holds: dict[str, Any] = vars(sys.modules.get(module, sys))
        if holds.get(name) is found:
            return holds
    raise LookupError(name)


def is_own(path: Any) -> bool:
    """Whether a path is an object of the program's, which may say another one each time that it is
    asked: sqlite3 is handed what it said."""
    kind = type(path)
    if kind is str or kind.__module__.startswith("pathlib"):
        return False
    return isinstance(path, os.PathLike)


def recorded(base: Any, name: str, verb: str | None = None) -> Any:
    """A cursor's method that counts; `verb` where the text has several."""
    method = getattr(base, name)
    connection_of = vars(base)["connection"].__get__
    of = base.__module__

    def labels(cursor: Any, args: tuple[Any, ...], _: dict[str, Any]) -> database.Labels:
        try:
            name = namespaces[of](connection_of(cursor))
        except (AttributeError, TypeError):  # one that came past the module, or was never opened
            name = None
        text = args[0] if args else ""
        known = verb or (database.USUAL.get(text[:6]) if text.__class__ is str else None)
        return SYSTEM, name, known or database.verb(text), None

    return looks(measured(NAME, method, labels), method)


def looks(function: Any, original: Any) -> Any:
    """`function` with the name, text and signature of a C function."""
    step_aside(function)  # from what the default adapters warn of since Python 3.12
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
