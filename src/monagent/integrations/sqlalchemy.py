"""SQLAlchemy: every statement that an engine sends, by operation and table, and every pool.

Covers sync and asyncio engines, Core and ORM, on any dialect. Wraps what dialects call with a
cursor, not event listeners: those cost 5 µs a statement. What a pool sends to open or to check a
connection is part of getting one, no operation.
"""

from __future__ import annotations

import sys

from monagent.conventions import _pools, database
from monagent.conventions.database import covered
from monagent.instrument import Library, adopt, replace, replace_override
from monagent.instrument.identity import with_parameters_of
from monagent.instrument.watch import failed
from monagent.integrations import _sqlalchemy as facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "sqlalchemy",
    versions=">=1.4",
    records=("database",),
    covers="statements and connection pools of engines, sync and asyncio, Core and ORM",
)

NAME = "sqlalchemy"


@adopt("sqlalchemy.engine.base", "Engine.__init__")
def through_opentelemetry(original: Any) -> Any:
    from monagent.integrations import _otel_sqlalchemy  # Only who asks for it pays for it.

    return _otel_sqlalchemy.engine(original)


@replace("sqlalchemy.engine.default", "DefaultDialect.do_execute")
@replace("sqlalchemy.engine.default", "DefaultDialect.do_executemany")
def with_parameters(original: Any) -> Any:
    def execute(
        self: Any, cursor: Any, statement: Any, parameters: Any, context: Any = None
    ) -> Any:
        mark = None
        try:
            try:  # As in `facts.labels`, which costs a call: known from the last time.
                compiled: Any = context.compiled if statement is context.statement else None
                labels = compiled._monagent_labels
            except AttributeError:
                labels = None if covered() else facts.labels(self, statement, context)
            if labels is not None:
                mark = database.begun(labels)
        except BaseException as error:
            failed(NAME, error)
        if mark is None:
            return original(self, cursor, statement, parameters, context)
        try:
            result = original(self, cursor, statement, parameters, context)
        except BaseException as error:
            mark.clear()
            try:
                database.broke(mark.labels, mark.start, error)
            except BaseException as ours:
                failed(NAME, ours)
            raise
        try:
            mark.ended()
        except BaseException as error:
            mark.clear()
            failed(NAME, error)
        return result

    return execute


@replace("sqlalchemy.engine.default", "DefaultDialect.do_execute_no_params")
def without_parameters(original: Any) -> Any:
    execute = with_parameters(
        lambda self, cursor, statement, _, context: original(self, cursor, statement, context)
    )

    def execute_no_params(self: Any, cursor: Any, statement: Any, context: Any = None) -> Any:
        return execute(self, cursor, statement, None, context)

    return execute_no_params


@replace("sqlalchemy.engine.base", "Engine.__init__")
def engine(original: Any) -> Any:
    def __init__(self: Any, pool: Any, dialect: Any, url: Any, *args: Any, **kwargs: Any) -> None:
        original(self, pool, dialect, url, *args, **kwargs)
        try:
            facts.met(dialect, url)
            noticed(pool)
            for cls in facts.overriding(dialect):
                replace_override(cls, "do_execute", with_parameters)
                replace_override(cls, "do_executemany", with_parameters)
                replace_override(cls, "do_execute_no_params", without_parameters)
        except BaseException as error:
            failed(NAME, error)

    # `create_engine` takes those options that it finds in the code: get_cls_kwargs.
    return with_parameters_of(original, __init__)


@replace("sqlalchemy.engine.base", "Engine.dispose")
def dispose(original: Any) -> Any:
    def dispose(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.pool
        result = original(self, *args, **kwargs)
        try:
            if self.pool is not before:
                noticed(self.pool)
                old = _pools.of(before)
                if old is not None:
                    old.left()
        except BaseException as error:
            failed(NAME, error)
        return result

    return dispose


def noticed(pool: Any) -> _pools.Pool:
    """What is recorded of a pool."""
    made = facts.watched(pool)
    if made.read is facts.static_pool:  # The others need not pay for it.
        base: Any = sys.modules["sqlalchemy.pool.base"]
        replace_override(base._ConnectionFairy, "_checkin", giving_back)
    return made


def giving_back(original: Any) -> Any:
    def _checkin(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            try:
                facts.given_back(id(self))
            except BaseException as error:
                failed(NAME, error)

    return _checkin


@replace("sqlalchemy.pool.base", "_ConnectionFairy._checkout")
def checkout(original: Any) -> Any:
    pools, static = _pools.POOLS, facts.static_pool
    # Their truth value costs two calls.
    attributes: Any = __import__("sqlalchemy.event.attr", fromlist=("attr",))
    nobody = getattr(attributes, "_EmptyListener", None)

    def _checkout(cls: Any, pool: Any, threadconns: Any = None, fairy: Any = None) -> Any:
        if fairy is not None:  # a thread's connection, checked out once more
            return original(cls, pool, threadconns, fairy)
        cover = None
        try:
            watched = pools.get(id(pool)) or noticed(pool)
            asked = watched.asked()
            listeners = pool.dispatch.checkout
            if pool._pre_ping or type(listeners) is not nobody or listeners.parent_listeners:
                cover = database.Cover()  # Last: one that was left on would silence all drivers.
        except BaseException as error:
            failed(NAME, error)
            return original(cls, pool, threadconns, fairy)
        try:
            fairy = original(cls, pool, threadconns, fairy)
        except BaseException as error:
            try:
                if cover is not None:
                    cover.clear()
                if facts.is_timeout(error):
                    watched.timed_out()
                else:
                    watched.refused(error)
            except BaseException as ours:
                failed(NAME, ours)
            raise
        try:
            if cover is not None:
                cover.clear()
            if watched.read is static:
                facts.lent(watched, asked, fairy)
            else:
                watched.given(asked, id(fairy._connection_record))
        except BaseException as error:
            failed(NAME, error)
        return fairy

    return _checkout


@replace("sqlalchemy.pool.base", "_ConnectionRecord._ConnectionRecord__connect")
def connecting(original: Any) -> Any:
    """What is sent to a new connection, by SQLAlchemy and by the program's listeners."""
    return database.covering(original)


@replace("sqlalchemy.pool.base", "_ConnectionRecord.checkin")
def checkin(original: Any) -> Any:
    pools = _pools.POOLS

    def checkin(self: Any, *args: Any, **kwargs: Any) -> Any:
        watched = given = None
        try:
            watched = pools.get(id(self._ConnectionRecord__pool))
            if watched is not None:
                given = watched.given_at.pop(id(self), None)
        except BaseException as error:
            failed(NAME, error)
        try:
            # Without arguments, as nearly always, to hand them on costs as much as the rest.
            return original(self, *args, **kwargs) if args or kwargs else original(self)
        finally:
            try:
                if watched is not None:
                    watched.returned(given)
            except BaseException as error:
                failed(NAME, error)

    return checkin


@replace("sqlalchemy.pool.base", "_ConnectionFairy.detach")
def detach(original: Any) -> Any:
    def detach(self: Any) -> Any:
        record = self._connection_record
        try:
            return original(self)
        finally:
            try:
                watched = _pools.of(self._pool)
                if watched is not None and record is not None:
                    watched.returned(watched.given_at.pop(id(record), None))
                    facts.given_back(id(self))
            except BaseException as error:
                failed(NAME, error)

    return detach


@replace("sqlalchemy.pool.impl", "QueuePool.dispose")
@replace("sqlalchemy.pool.impl", "SingletonThreadPool.dispose")
@replace("sqlalchemy.pool.impl", "StaticPool.dispose")
@replace("sqlalchemy.pool.impl", "AssertionPool.dispose")
def emptied(original: Any) -> Any:
    def dispose(self: Any) -> Any:
        result = original(self)
        try:
            watched = _pools.of(self)
            if watched is not None:
                watched.changed()
        except BaseException as error:
            failed(NAME, error)
        return result

    return dispose
