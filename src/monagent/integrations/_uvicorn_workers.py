"""uvicorn's parent: the workers it starts, replaces, kills when they hang, and reloads.

Before 0.30 it does not notice that a worker died; a look every few seconds tells then.
"""

from __future__ import annotations

from monagent.conventions import http_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SERVER = "uvicorn"


def starting(original: Any) -> Any:
    def start(self: Any) -> None:
        original(self)
        try:
            http_workers.started(SERVER, self.process.pid)
            if self.config.limit_max_requests is not None:
                http_workers.limited(SERVER, self.process.pid)
        except BaseException as error:
            http_workers.failed(error)

    return start


def terminating(original: Any) -> Any:
    def terminate(self: Any) -> None:
        try:
            http_workers.asked(self.process.pid)
        except BaseException as error:
            http_workers.failed(error)
        original(self)

    return terminate


def killing(original: Any) -> Any:
    def kill(self: Any) -> None:
        try:
            if self.process.exitcode is None:  # It lives, and does not answer.
                http_workers.doomed(self.process.pid, http_workers.TIMEOUT)
        except BaseException as error:
            http_workers.failed(error)
        original(self)

    return kill


def joining(original: Any) -> Any:
    def join(self: Any) -> None:
        original(self)
        try:
            http_workers.ended(self.process.pid, self.process.exitcode)
        except BaseException as error:
            http_workers.failed(error)

    return join


def changing(original: Any) -> Any:
    """Around a method of a supervisor that starts or ends processes of multiprocessing."""

    def change(self: Any) -> None:
        before = processes(self)
        try:
            original(self)
        finally:
            try:
                for process in before:
                    if process.exitcode is not None:
                        http_workers.ended(process.pid, process.exitcode)
                for process in processes(self):
                    if process.exitcode is None and process.pid is not None:
                        http_workers.started(SERVER, process.pid)
            except BaseException as error:
                http_workers.failed(error)

    return change


def processes(supervisor: Any) -> list[Any]:
    """Those of a reloader, or of the supervisor before 0.30."""
    found = vars(supervisor)
    return list(found.get("processes", ())) + [
        found[name] for name in ("process",) if name in found
    ]


def binding(original: Any) -> Any:
    def bind_socket(self: Any) -> Any:
        bound = original(self)
        try:
            http_workers.listening(SERVER, [bound.fileno()])
        except BaseException as error:
            http_workers.failed(error)
        return bound

    return bind_socket


def serving(original: Any) -> Any:
    async def startup(self: Any, sockets: Any = None) -> None:
        await original(self, sockets=sockets)
        try:
            http_workers.ACCEPTED.bind(SERVER)(0.0)
            if sockets is None:  # Else whoever bound them tells.
                http_workers.listening(SERVER, opened(self))
        except BaseException as error:
            http_workers.failed(error)

    return startup


def stopping(original: Any) -> Any:
    async def shutdown(self: Any, sockets: Any = None) -> None:
        try:
            if not self.should_exit:  # Nobody asked: it is for the number of its requests.
                http_workers.served(self.server_state.total_requests)
        except BaseException as error:
            http_workers.failed(error)
        await original(self, sockets=sockets)

    return shutdown


def connecting(original: Any) -> Any:
    def connection_made(self: Any, transport: Any) -> Any:
        try:
            # Else another protocol has handed the connection on.
            if type(self) is self.config.http_protocol_class:
                http_workers.accepted(SERVER)
        except BaseException as error:
            http_workers.failed(error)
        return original(self, transport)

    return connection_made


def opened(server: Any) -> list[int]:
    """The sockets that a server has opened by itself."""
    servers = getattr(server, "servers", ())
    return [listener.fileno() for each in servers for listener in each.sockets]
