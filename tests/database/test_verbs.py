"""The one word that an SQL text is known by."""

from __future__ import annotations

import string
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monagent.conventions._sql import _VERBS, OTHER, verb


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT"),
        ("select 1", "SELECT"),
        ("Select 1", "SELECT"),
        ("\n\t INSERT INTO t VALUES (1)", "INSERT"),
        ("-- a comment\n-- another\nUPDATE t SET a = 1", "UPDATE"),
        ("/* by: someone */ /* again */ DELETE FROM t", "DELETE"),
        ("(SELECT 1) UNION (SELECT 2)", "SELECT"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "SELECT"),
        ("WITH a AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM a", "INSERT"),
        ("with recursive a(n) as (select 1) update t set n = 2", "UPDATE"),
        ("WITH a AS (SELECT ')' || \"(\") DELETE FROM t", "DELETE"),
        ("WITH a AS (SELECT 1 -- )\n) MERGE INTO t", "MERGE"),
        ("WITH", OTHER),
        ("CREATE TABLE secrets (id int)", "CREATE"),
        ("PRAGMA foreign_keys", "PRAGMA"),
        ("selec 1", OTHER),
        ("'; DROP TABLE users", OTHER),
        ("", OTHER),
        ("/* never closed", OTHER),
        (b"copy t from stdin", "COPY"),
    ],
)
def test_a_statement_is_known_by_its_main_verb(text: str | bytes, expected: str) -> None:
    """Comments, brackets and named queries are looked through."""
    assert verb(text) == expected


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none()))
def test_no_text_becomes_a_label(text: object) -> None:
    """Whatever comes in, what goes out is one of the known verbs or `_OTHER`."""
    if isinstance(text, (int, type(None))):
        text = str(text)

    assert verb(text) in _VERBS | {OTHER}


def test_psycopg_queries_are_read_without_a_connection() -> None:
    """Composed queries mostly carry their verb in their first part."""
    sql = pytest.importorskip("psycopg.sql")

    assert verb(sql.SQL("select {}").format(sql.Identifier("a"))) == "SELECT"
    assert verb(sql.SQL("update t set a = 1")) == "UPDATE"
    assert verb(sql.Composed([sql.SQL("delete from "), sql.Identifier("t")])) == "DELETE"


def test_a_composed_query_is_read_through_to_its_verb() -> None:
    """Its first part may end within WITH or a comment; names and values are never a verb."""
    sql = pytest.importorskip("psycopg.sql")
    name = sql.Identifier("delete")
    nested = sql.SQL("{} {}").format(sql.SQL("/* a */"), sql.SQL(""))

    for text, expected in (
        ("with {0} as (select 1) insert into {0} select 1", "INSERT"),
        ("WITH {0} AS (SELECT 1) SELECT * FROM {0}", "SELECT"),
        ("/* {0} */ update {0} set a = 1", "UPDATE"),
        ("-- {0}\ndelete from {0}", "DELETE"),
        ("{1} {1} select 1", "SELECT"),
        ("{0} from t", OTHER),
        ("{2} from t", OTHER),
        ("with {0}" + " as (select 1), {0}" * 10_000 + " select 1", OTHER),
    ):
        assert verb(sql.SQL(text).format(name, nested, "select")) == expected


def test_a_template_string_is_read_through_to_its_verb() -> None:
    """Its texts, and the queries among its values; what else is among them is an argument."""
    sql = pytest.importorskip("psycopg.sql")

    class Template:
        """As string.templatelib has it, from Python 3.14 on."""

        def __init__(self, *parts: Any) -> None:
            self.strings, values = parts[::2], parts[1::2]
            self.interpolations = tuple(SimpleNamespace(value=value) for value in values)

    inner = Template("select ", 1, "")
    assert verb(Template("select ", 1, "")) == "SELECT"
    assert verb(Template("with ", "a", " as (select 1) delete from ", "a", "")) == "DELETE"
    assert verb(Template("/* a */ ", inner, " union ", inner, "")) == "SELECT"
    assert verb(Template("", sql.SQL("update t"), " set a = ", 1, "")) == "UPDATE"
    assert verb(Template("", "select", " from t")) == OTHER
    assert verb(Template("")) == OTHER
    assert verb(string.Template("select 1")) == OTHER  # no query
