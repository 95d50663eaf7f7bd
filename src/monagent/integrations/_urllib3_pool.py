"""urllib3's connections and pools: wrappers that keep the count on the connection's own object.

A connection counts from its `connect` to its `close`, whoever calls them; the pool only says
whether it is idle. Calls wait for one in pools with `block=True` alone. There is no `vars()` here:
an object whose `__dict__` was asked for is slower from then on.
"""

from __future__ import annotations

from monagent.conventions._http_pools import Connection, Pool, Wait
from monagent.conventions._peers import Peer, of
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def connecting(original: Any) -> Any:
    """Wrapper of `HTTPConnection.connect`."""

    def connect(self: Any) -> Any:
        result = original(self)
        try:
            self._monagent = Connection(_peer(self))
        except BaseException as error:
            failed("urllib3", error)
        return result

    return connect


def closing(original: Any) -> Any:
    """Wrapper of `HTTPConnection.close`."""

    def close(self: Any) -> Any:
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None:
                self._monagent = None
                counted.close()
        except BaseException as error:
            failed("urllib3", error)
        return original(self)

    return close


def taking(original: Any) -> Any:
    """Wrapper of `HTTPConnectionPool._get_conn`."""

    # urllib3's fork in its place gives one more, and without a word none where that is refused.
    def _get_conn(self: Any, timeout: Any = None, **others: Any) -> Any:
        wait = None
        try:
            if self.block and self.pool is not None and _taken(self.pool):
                wait = Wait(of(self.scheme, self.host, self.port))
        except BaseException as error:
            failed("urllib3", error)
        try:
            if others:
                connection = original(self, timeout, **others)
            else:
                connection = original(self, timeout)
        except BaseException as error:
            try:
                if wait is not None:
                    wait.end(error)
            except BaseException as ours:
                failed("urllib3", ours)
            raise
        try:
            if wait is not None:
                wait.end()
            counted = getattr(connection, "_monagent", None)
            if counted is not None:
                counted.busy()
        except BaseException as error:
            failed("urllib3", error)
        return connection

    return _get_conn


def giving(original: Any) -> Any:
    """Wrapper of `HTTPConnectionPool._put_conn`."""

    def _put_conn(self: Any, conn: Any) -> Any:
        # Before the pool has it: from then on it may be another thread's.
        try:
            counted = getattr(conn, "_monagent", None)
            # The fork's is given back with an answer to come, too.
            if counted is not None and getattr(conn, "is_idle", True):
                counted.idle()
        except BaseException as error:
            failed("urllib3", error)
        return original(self, conn)

    return _put_conn


def releasing(original: Any) -> Any:
    """Wrapper of `HTTPResponse.release_conn` of urllib3's fork, which gives a connection back that
    was asked for by nobody but the response."""

    def release_conn(self: Any) -> Any:
        rest(self._connection)
        return original(self)

    return release_conn


def resetting(original: Any) -> Any:
    """Wrapper of `HTTPResponse.close` of urllib3's fork: other streams of its connection go on."""

    def close(self: Any) -> Any:
        connection = self._connection
        result = original(self)
        rest(connection)
        return result

    return close


def rest(connection: Any) -> None:
    """A connection of the fork is idle once it has no answer to come."""
    try:
        counted = getattr(connection, "_monagent", None)
        if counted is not None and connection.is_idle:
            counted.idle()
    except BaseException as error:
        failed("urllib3", error)


def making(original: Any) -> Any:
    """Wrapper of `HTTPConnectionPool.__init__`."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            if self.block:
                self._monagent = Pool(self.pool.maxsize, of(self.scheme, self.host, self.port))
        except BaseException as error:
            failed("urllib3", error)

    return __init__


def _taken(pool: Any) -> bool:
    """Whether all that this queue may hold is in use."""
    if not hasattr(pool, "rsize"):
        return bool(pool.empty())
    # The fork's begins empty; what is in use or has an answer to be read stays in its registry.
    return pool.rsize() >= pool.maxsize and (not pool.qsize() or pool.bag_only_saturated)


def _peer(connection: Any) -> Peer:
    scheme = "https" if connection.default_port == 443 else "http"
    tunnel = getattr(connection, "_tunnel_host", None)
    if tunnel:
        return of("https", tunnel, getattr(connection, "_tunnel_port", None))
    return of(scheme, connection.host, connection.port)
