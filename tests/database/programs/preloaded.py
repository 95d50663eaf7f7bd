"""A WSGI application whose engine is made, and used, before gunicorn forks its workers."""

import os
from typing import Any

import sqlalchemy

engine = sqlalchemy.create_engine(os.environ["DATABASE"], pool_size=2, max_overflow=0)
with engine.connect() as connection:
    connection.execute(sqlalchemy.text("SELECT 1 /* before the fork */"))


def begin_anew() -> None:
    """A child must not use its parent's connections."""
    engine.dispose(close=False)


os.register_at_fork(after_in_child=begin_anew)


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Two statements a request; one more that fails when asked to."""
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1 /* a request */"))
        connection.execute(sqlalchemy.text("UPDATE pg_class SET relname = relname WHERE false"))
        if environ["PATH_INFO"] == "/fail":
            try:
                connection.execute(sqlalchemy.text("SELECT 1/0"))
            except sqlalchemy.exc.DBAPIError:
                connection.rollback()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
