"""The one word that an SQL text is known by."""

from __future__ import annotations

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
    """Composed queries carry their verb in their first part."""
    sql = pytest.importorskip("psycopg.sql")

    assert verb(sql.SQL("select {}").format(sql.Identifier("a"))) == "SELECT"
    assert verb(sql.SQL("update t set a = 1")) == "UPDATE"
    assert verb(sql.Composed([sql.SQL("delete from "), sql.Identifier("t")])) == "DELETE"
