"""What an SQL text does, in one word: its first verb, never more of it.

Cheap for the four usual verbs; comments, brackets and `WITH` are looked through once per text.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OTHER = "_OTHER"

USUAL = {
    form: verb for verb in ("SELECT", "INSERT", "UPDATE", "DELETE") for form in (verb, verb.lower())
}
"""The verbs of most statements, by the six letters that these begin with."""

_VERBS = frozenset(
    # As one text, since a list of them would be a page long.
    """ABORT ALTER ANALYZE ATTACH BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE
    DEALLOCATE DECLARE DELETE DESC DESCRIBE DETACH DISCARD DO DROP END EXEC EXECUTE EXPLAIN FETCH
    FLUSH GRANT IMPORT INSERT KILL LISTEN LOAD LOCK MERGE MOVE NOTIFY OPTIMIZE PRAGMA PREPARE
    REASSIGN REFRESH REINDEX RELEASE RENAME REPLACE RESET REVOKE ROLLBACK SAVEPOINT SELECT SET SHOW
    START TABLE TRUNCATE UNLISTEN UPDATE UPSERT USE VACUUM VALUES""".split()  # noqa: SIM905
)

_MAIN = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "VALUES", "TABLE"))
"""What may follow the queries that `WITH` names."""

_seen: dict[str, str] = {}
_MOST_SEEN = 500
_LONGEST_SEEN = 2_000
_FURTHEST = 20_000
"""Characters read at most to find the verb behind `WITH`."""


def verb(statement: Any) -> str:
    """`SELECT` of "select 1"; `_OTHER` for what is no known verb or no text.

    Takes text, bytes, and psycopg's composed queries.
    """
    if type(statement) is not str:
        statement = _text(statement)
    usual = USUAL.get(statement[:6])
    if usual is not None:
        return usual
    known = _seen.get(statement)
    if known is not None:
        return known
    found = _verb(statement)
    if len(statement) <= _LONGEST_SEEN and len(_seen) < _MOST_SEEN:
        _seen[statement] = found
    return found


def _text(statement: Any) -> str:
    if isinstance(statement, str):
        return str.__str__(statement)
    if isinstance(statement, (bytes, bytearray)):
        return bytes(statement[:_FURTHEST]).decode("latin-1")
    # psycopg: SQL keeps text in `_obj`, Composed a list of parts.
    inner = getattr(statement, "_obj", None)
    if isinstance(inner, str):
        return inner
    if type(inner) is list and inner and type(inner[0]).__name__ == "SQL":
        first: str = inner[0]._obj
        if first[:6] in USUAL:
            return first
    return _joined(statement)


def _joined(statement: Any) -> str:
    """The text of a composed query or a template string, with a word for what is no SQL of it."""
    text: list[str] = []
    room = _FURTHEST
    left = [statement]
    while left and room > 0:
        part = left.pop()
        if isinstance(part, str):
            piece = str.__str__(part)
        elif _is(part, "SQL"):
            piece = str(getattr(part, "_obj", ""))
        elif _is(part, "Composed"):
            left.extend(reversed(getattr(part, "_obj", ())))
            continue
        elif _is(part, "Template"):
            left.extend(reversed(_parts(part)))
            continue
        else:
            piece = "x"
        if not text and piece[:6] in USUAL:
            return piece
        text.append(piece)
        room -= len(piece)
    return "".join(text)


def _parts(template: Any) -> list[Any]:
    """Texts and values in turn; a value that is text is an argument."""
    strings: Any = getattr(template, "strings", ("",))  # string.Template has none.
    found = [strings[0]]
    for one, text in zip(getattr(template, "interpolations", ()), strings[1:], strict=True):
        found += (None if isinstance(one.value, str) else one.value), text
    return found


def _is(part: Any, name: str) -> bool:
    """Whether it is of a class of this name, or of one derived from it."""
    kind = type(part)
    return kind.__name__ == name or name in [base.__name__ for base in kind.__mro__]


def _verb(text: str) -> str:
    at = _word_at(text, 0)
    word = _word(text, at)
    if word != "WITH":
        return word if word in _VERBS else OTHER
    depth = 0
    at += 4
    end = min(len(text), _FURTHEST)
    while at < end:
        letter = text[at]
        if letter in "'\"`":
            at = _after(text, letter, at + 1)
        elif text.startswith(("--", "/*"), at):
            at = _word_at(text, at)
        elif letter.isalpha() or letter == "_":
            word = _word(text, at)
            if not depth and word in _MAIN:
                return word
            at += len(word)
        else:
            depth += (letter == "(") - (letter == ")")
            at += 1
    return OTHER


def _word_at(text: str, at: int) -> int:
    """Where the next word begins, behind blanks, comments and opening brackets."""
    while at < len(text):
        if text[at].isspace() or text[at] in "(;\ufeff":
            at += 1
        elif text.startswith("--", at):
            at = _after(text, "\n", at)
        elif text.startswith("/*", at):
            at = _after(text, "*/", at + 2)
        else:
            break
    return at


def _word(text: str, at: int) -> str:
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return text[at:end].upper()


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)
