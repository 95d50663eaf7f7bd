"""A bare application that has uWSGI call it after each fork."""

from __future__ import annotations

import os
from typing import Any

import flask  # noqa: F401  # the first library that monagent knows
import uwsgi
from plain import wsgi
from uwsgidecorators import postfork

assert uwsgi.post_fork_hook
forked: list[int] = []


@postfork  # type: ignore[untyped-decorator]
def remember() -> None:
    """In the worker."""
    forked.append(os.getpid())


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """`/forked` tells who has forked."""
    if environ["PATH_INFO"] != "/forked":
        return wsgi(environ, start_response)
    start_response("200 OK", [])
    return [str(forked[-1]).encode()]
