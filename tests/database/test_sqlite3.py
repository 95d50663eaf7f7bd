"""sqlite3: counts, and types that stay what they were."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import io
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.database.numbers import Numbers

WRONG = """
import sqlite3
connection = sqlite3.connect(":memory:")
for name in "execute", "executemany", "executescript":
    for arguments, named in ((), {"sql": "SELECT 1"}), ((), {}), ((1, 2, 3), {}):
        try:
            getattr(connection, name)(*arguments, **named)
        except TypeError as error:
            print(error)
connection.close()
"""


def test_every_way_to_execute_counts_once(numbers: Numbers, tmp_path: Path) -> None:
    """On the connection and on its cursor; scripts as one batch."""
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        connection.executescript("DELETE FROM t; DELETE FROM t")
        cursor = connection.cursor()
        cursor.execute("SELECT * FROM t").fetchall()
        cursor.executemany("INSERT INTO t VALUES (?)", [(3,)])
        cursor.executescript("SELECT 1; SELECT 2")
    connection.close()

    assert numbers.operations() == {"CREATE": 1, "INSERT": 2, "SELECT": 1, "BATCH": 2}
    assert numbers.databases() == {("sqlite", "shop.db")}


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("189948f3-3c8e-4f2b-9d6a-0c1f5b7e2a11.db", "{id}.db"), "{id}.db"),
        (("run-4711042.sqlite3", "run-31337.sqlite3"), "run-{id}.sqlite3"),
        (("day_2026-11-23.db", "day_20261123.db"), "day_{id}.db"),
        (("9f86d081884c7d65.cache", "cafe2345cafe2345.cache"), "{id}.cache"),
        (("tmpab12_x9z", "tmp12345abc"), "tmp{id}"),
        (("shop2026.db",), "shop2026.db"),
        (("deadbeefcafe.db",), "deadbeefcafe.db"),
        (("tmpdir_of_mine.db",), "tmpdir_of_mine.db"),
    ],
)
def test_one_of_many_files_is_named_as_the_others(
    names: tuple[str, ...], label: str, numbers: Numbers, tmp_path: Path
) -> None:
    """However many processes there are with one each."""
    for name in names:
        connection = sqlite3.connect(tmp_path / name)
        connection.execute("SELECT 1")
        connection.close()

    assert numbers.databases() == {("sqlite", label)}


@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_a_path_of_ones_own_is_named_as_the_file(
    kind: Any, numbers: Numbers, tmp_path: Path
) -> None:
    """`__fspath__` is all that sqlite3 asks of one; its text holds an address."""

    class Own:
        def __fspath__(self) -> Any:
            return kind(tmp_path / "shop.db")

    connection = sqlite3.connect(Own())
    connection.execute("SELECT 1")
    connection.close()

    assert numbers.databases() == {("sqlite", "shop.db")}


@pytest.mark.parametrize("given", [False, True], ids=["in its place", "by its name"])
def test_a_path_of_ones_own_is_asked_once(given: bool, numbers: Numbers, tmp_path: Path) -> None:
    """It may say another name each time, or raise: what comes is as without monagent."""
    asked = []

    class Fresh:
        def __fspath__(self) -> str:
            asked.append(self)
            if len(asked) == 2:
                raise LookupError(len(asked))
            return str(tmp_path / f"{len(asked)}.db")

    def connect() -> Any:
        return sqlite3.connect(database=Fresh()) if given else sqlite3.connect(Fresh(), timeout=1)

    with contextlib.closing(connect()) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(LookupError, match="2"):
        connect()

    assert len(asked) == 2
    assert [path.name for path in tmp_path.glob("*.db")] == ["1.db"]
    assert numbers.databases() == {("sqlite", "1.db")}


def test_wrong_arguments_are_told_as_without_monagent(numbers: Numbers) -> None:
    """By the name of the method that was called."""
    plain = subprocess.run(
        [sys.executable, "-c", WRONG], capture_output=True, text=True, check=True
    ).stdout
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(WRONG, {})

    assert told.getvalue() == plain


def test_errors_carry_their_type_and_pass_unchanged(numbers: Numbers) -> None:
    """What sqlite3 raises arrives as it was raised."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a UNIQUE)")
    connection.execute("INSERT INTO t VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: t\.a") as caught:
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        connection.execute("SELEC 1")
    connection.close()

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    code = getattr(caught.value, "sqlite_errorname", "")  # from 3.11 on
    failures = {label for label in numbers.operations() if "Error" in label}
    general = getattr(sqlite3, "SQLITE_ERROR", None) and "SQLITE_ERROR "
    assert failures == {
        f"INSERT {code} sqlite3.IntegrityError".replace("  ", " "),
        f"_OTHER {general or ''}sqlite3.OperationalError",
    }


def test_the_first_refused_connection_is_an_increase(numbers: Numbers) -> None:
    """The count of failed connections begins at 0 with the library."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("SELECT 1")
    connection.close()

    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite3.connect("/nowhere/at/all.db")

    assert numbers.refusals() == {"sqlite3.OperationalError": 1}


def test_types_are_what_the_module_says(numbers: Numbers) -> None:
    """`type() is`, `isinstance`, `repr`, names and refusals to be pickled hold."""
    connection = sqlite3.connect(":memory:")
    cursor = connection.cursor()

    assert type(connection) is sqlite3.Connection
    assert type(connection) is sqlite3.dbapi2.Connection
    assert type(cursor) is type(connection.execute("SELECT 1")) is sqlite3.Cursor
    assert cursor.execute("SELECT 1") is cursor
    assert cursor.connection is connection
    assert repr(connection).startswith("<sqlite3.Connection object at")
    assert (sqlite3.Connection.__module__, sqlite3.Connection.__qualname__) == (
        "sqlite3",
        "Connection",
    )
    assert pickle.loads(pickle.dumps(sqlite3.Connection)) is sqlite3.Connection
    assert not hasattr(connection, "__dict__")
    for attempt in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            attempt(connection)
    connection.close()


def test_signatures_and_docs_are_those_of_the_c_functions(numbers: Numbers) -> None:
    """What can be read of them; some C functions tell no signature at all."""
    import _sqlite3

    assert inspect.signature(sqlite3.Cursor.execute) == inspect.signature(_sqlite3.Cursor.execute)
    for name in ("execute", "executemany", "executescript", "cursor"):
        ours, theirs = getattr(sqlite3.Connection, name), getattr(_sqlite3.Connection, name)
        assert (ours.__name__, ours.__doc__) == (theirs.__name__, theirs.__doc__)
    assert sqlite3.connect.__doc__ == _sqlite3.connect.__doc__
    assert sqlite3.connect.__name__ == "connect"


def test_the_applications_own_factories_are_respected(numbers: Numbers) -> None:
    """Given by name or by position; its subclasses record as well."""

    class Mine(sqlite3.Connection):
        """An application's connection with a cursor of its own."""

        def cursor(self, factory: type = sqlite3.Cursor) -> sqlite3.Cursor:  # type: ignore[override]
            return super().cursor(Told)

    class Told(sqlite3.Cursor):
        """An application's cursor."""

    named = sqlite3.connect(":memory:", factory=Mine)
    assert type(named) is Mine
    assert type(named.cursor()) is Told
    named.cursor().execute("SELECT 1")
    named.execute("SELECT 2")
    named.close()

    assert numbers.operations() == {"SELECT": 2}


def test_rows_and_attributes_pass_through(numbers: Numbers) -> None:
    """Row factories, parameters by name, blobs and the context manager work as before."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT :a AS a", {"a": b"\xff"}).fetchone()
    assert (row["a"], row.keys()) == (b"\xff", ["a"])
    with pytest.raises(AttributeError):
        connection.anything = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        connection.execute()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        connection.execute(sql="SELECT 1")  # type: ignore[call-arg]
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        connection.execute("SELECT 1")


def test_threads_keep_their_own_connections(numbers: Numbers) -> None:
    """A connection used in another thread is refused as before, and every thread counts."""
    connection = sqlite3.connect(":memory:")
    refused: list[BaseException] = []

    def use() -> None:
        try:
            connection.execute("SELECT 1")
        except sqlite3.ProgrammingError as error:
            refused.append(error)
        with sqlite3.connect(":memory:") as own:
            own.execute("SELECT 1")
        own.close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()

    assert len(refused) == 4
    assert numbers.operations()["SELECT"] == 4


def test_everything_is_put_back(numbers: Numbers) -> None:
    """After the hooks are gone the module holds the C types again."""
    import _sqlite3

    from monagent.instrument import hooks

    during = sqlite3.Connection
    hooks.uninstall()

    assert during is not _sqlite3.Connection
    assert sqlite3.Connection is sqlite3.dbapi2.Connection is _sqlite3.Connection
    assert sqlite3.Cursor is _sqlite3.Cursor
    assert sqlite3.connect is _sqlite3.connect


def test_connect_is_no_method_of_a_class_that_holds_it(numbers: Numbers) -> None:
    """A built-in function is not bound to instances; nor is what stands in its place."""

    class Settings:
        """An application's own, with the driver's function as an attribute."""

        connect: Any = sqlite3.connect

    connection = Settings().connect(":memory:")
    connection.execute("SELECT 1")
    connection.close()

    assert type(connection) is sqlite3.Connection
    assert repr(sqlite3.connect) == "<built-in function connect>"
    assert numbers.operations() == {"SELECT": 1}


def test_connect_is_pickled_by_its_name(numbers: Numbers) -> None:
    """As what opens a connection in a worker is handed to it."""
    opening = functools.partial(sqlite3.connect, ":memory:")

    assert pickle.loads(pickle.dumps(sqlite3.connect)) is sqlite3.connect
    assert copy.deepcopy(sqlite3.connect) is sqlite3.connect
    assert pickle.loads(pickle.dumps(opening)).func is sqlite3.connect


def test_a_subclass_is_asked_for_no_attribute_of_ours(numbers: Numbers) -> None:
    """What it does where attributes are set and looked for is its own."""
    asked: list[str] = []

    class Frozen(sqlite3.Connection):
        """A connection that lets nothing be set."""

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

        def __getattr__(self, name: str) -> object:
            asked.append(name)
            raise AttributeError(name)

        def __init__(self, path: str, *args: object, **kwargs: object) -> None:
            super().__init__(path)

    connection = sqlite3.connect(":memory:", factory=Frozen)
    connection.execute("SELECT 1")
    hidden = sqlite3.connect(":memory:")

    assert not [name for name in (*asked, *dir(connection), *dir(hidden)) if "monagent" in name]
    assert numbers.databases() == {("sqlite", ":memory:")}
    connection.close()
    hidden.close()


def test_connect_works_when_the_module_has_been_taken_away(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by who puts another sqlite3 in its place, while somebody holds on to this one."""
    connect = sqlite3.connect
    for name in ("sqlite3", "sqlite3.dbapi2"):
        monkeypatch.delitem(sys.modules, name)

    connection = connect(":memory:")
    connection.execute("SELECT 1")
    connection.close()

    assert numbers.operations() == {"SELECT": 1}


def test_another_module_in_its_place_is_left_alone() -> None:
    """pysqlite3 under the name of sqlite3: its objects keep the types that they were made of."""
    program = """
import sys, sqlite3
other = type(sys)("pysqlite3")
vars(other).update({name: value for name, value in vars(sqlite3).items() if name[0] != "_"})
import _sqlite3
other.Connection, other.Cursor, other.connect = (
    _sqlite3.Connection, _sqlite3.Cursor, _sqlite3.connect)
sys.modules["sqlite3"] = other
del sys.modules["sqlite3.dbapi2"]
from monagent.instrument import hooks
hooks.install()
assert other.Connection is _sqlite3.Connection and other.connect is _sqlite3.connect
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


def test_what_an_adapter_warns_of_is_said_of_who_executes(numbers: Numbers) -> None:
    """As the default ones do, from Python 3.12 on; a filter by module would not see it else."""

    class Old:
        """What an application stores."""

    def adapt(_: Old) -> str:
        warnings.warn("old", DeprecationWarning, stacklevel=2)
        return "old"

    sqlite3.register_adapter(Old, adapt)
    connection = sqlite3.connect(":memory:")
    with pytest.warns(DeprecationWarning, match="old") as told:
        connection.execute("SELECT ?", (Old(),))
    with pytest.warns(DeprecationWarning, match="old") as too:
        connection.cursor().execute("SELECT ?", (Old(),))
    connection.close()

    assert {warning.filename for warning in (*told, *too)} == {__file__}
