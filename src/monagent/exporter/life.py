"""The exporter's life: serve while the tree lives, then fold, deliver, clean up, and end.

All work on the numbers happens in one worker thread, so that the loop is free to accept.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from monagent import where
from monagent.exporter import clearing, heir, selfmetrics
from monagent.exporter.awaited import Awaited
from monagent.exporter.engine import Engine
from monagent.exporter.exposition import OPENMETRICS
from monagent.exporter.http import Server
from monagent.exporter.limits import budget
from monagent.exporter.listener import Listener
from monagent.exporter.lock import Lock
from monagent.exporter.outbox import Outbox
from monagent.exporter.users import Users
from monagent.exporter.voice import Voice
from monagent.exporter.worker import Worker
from monagent.settings import Settings
from monagent.store import directory, process, visitors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

ROUND = 0.5
"""Seconds between two looks at the directory and the processes."""
NOBODY = 10.0
"""Seconds that a tree has to show its first process."""
GRACE = 3.0
"""Seconds that a tree gets to end after the exporter was told to, if last numbers are awaited."""


class Life:
    """One exporter; `lock` is held.

    Args:
        path: the state directory.
        fd: a listening socket to take over.
        told: whether somebody has said already that the port is taken.
        guest: whether it lives in a program's own process and ends with that.
        users: who was met already.
    """

    def __init__(
        self,
        path: str,
        settings: Settings,
        lock: Lock,
        fd: int | None = None,
        told: bool = False,
        guest: bool = False,
        users: Users | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.lock = lock
        self.guest = guest
        self.voice = Voice(path, settings.log_level)
        self.listener = Listener(path, settings, self.voice, fd, told)
        self._connections, shards = budget()
        self.engine = Engine(path, settings, self.voice.log, shards, users=users)
        self._worker = Worker()
        self.outbox = Outbox(settings, self.engine, self._worker, self.voice)
        self._awaited = Awaited()
        self._begun = time.monotonic()
        self._somebody = False
        self._root = directory.read_root(path)
        self._heir: tuple[int, int] | None = None
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._sock: socket.socket | None = None

    async def run(self) -> None:
        """Until the tree has ended or we are told to."""
        loop = asyncio.get_running_loop()
        if not self.guest:
            loop.add_signal_handler(signal.SIGTERM, self.stop)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        self._watch_root(loop)
        self.outbox.begin()
        await self._work(lambda: clearing.sweep(self.path))
        loop.set_exception_handler(self._strange)
        services = () if self._stop.is_set() else (self._serve, self._feed, self.outbox.push)
        tasks = [asyncio.ensure_future(self._kept_up(one)) for one in services]
        try:
            ended = await self._rounds()
            while not await self._finish(ended):
                ended = await self._rounds()
        except Exception:
            self.voice.log(f"ended by an error of its own: {traceback.format_exc()}")
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._sock is not None:
                self._sock.close()
            self._worker.end()
        if ended or (self.guest and self.engine.lonely and not self._root_waits()):
            clearing.clear(
                self.path,
                self._root,
                self.lock.path,
                self.engine.leftovers(),
                chosen=self.settings.dir is not None,
            )
        elif self.guest:
            self.lock.leave()
        self.lock.release()

    def stop(self) -> None:
        """Asks for the end, with last deliveries."""
        self._stop.set()
        self._wake.set()

    def abandon(self) -> None:
        """Forgets lock and socket, in a process forked from the one this lives in."""
        if self._sock is not None:
            self._sock.close()
        self.lock.release()  # Whoever gets it wants the port.

    async def _kept_up(self, service: Callable[[], Coroutine[None, None, None]]) -> None:
        """Runs the service, again and again if it fails."""
        while True:
            try:
                await service()
                return
            except Exception:
                self.voice.log(f"{service.__name__}: {traceback.format_exc()}")
                if self._sock is not None:
                    self._sock.close()
                    self._sock, self.listener.fd = None, None
                await asyncio.sleep(ROUND)

    def _strange(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log: here to our log alone."""
        self.voice.log(f"{context.get('message')}: {context.get('exception')!r}")

    async def _work(self, work: Callable[[], T]) -> T:
        return await self._worker.do(work)

    # -- the tree --------------------------------------------------------------------------------

    def _watch_root(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wakes us when the root ends; without pidfd (before Linux 5.3) the next round sees it."""
        if self._root is None or self.guest:
            return
        try:
            fd = os.pidfd_open(self._root[0])
        except (OSError, AttributeError):
            return

        def ended() -> None:
            loop.remove_reader(fd)
            os.close(fd)
            self._wake.set()

        loop.add_reader(fd, ended)

    async def _rounds(self) -> bool:
        """Looks around until the tree has ended (True) or we are told to stop (False)."""
        turn = 0
        while True:
            if self._stop.is_set() and not await self._linger():
                return False
            begun = time.monotonic()
            if not await self._work(self._look):
                return True
            if await self._work(self._in_the_way):
                return False
            # With very many processes a look takes long: never more than a twentieth of a core.
            pause = max(ROUND, 20 * (time.monotonic() - begun))
            turn += 1
            if turn % 4 == 0:
                await self._work(self.engine.sample)
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), min(pause, 5.0))
            except asyncio.TimeoutError:
                pass

    def _root_waits(self) -> bool:
        """Whether the tree's first process is another one and runs: it may start more."""
        root, ticks = self._root or (0, 0)
        return root not in (0, os.getpid()) and process.runs(root, ticks)

    async def _linger(self) -> bool:
        """Told to stop: a service manager stops all at once, and the program may still be counting.

        False when it is time to go, True when the tree has ended meanwhile.
        """
        if self.guest or not self.settings.delivers_at_the_end:
            return False
        ends = time.monotonic() + GRACE
        while time.monotonic() < ends:
            if not await self._work(self._look):
                return True
            await asyncio.sleep(ROUND / 5)
        return False

    def _look(self) -> bool:
        """One round; False when nobody is left."""
        self._hold()
        living = self.engine.look()
        self.engine.keep()
        self._root = directory.read_root(self.path) or self._root
        root, ticks = self._root or (0, 0)
        if self.guest:
            return True
        if root and not living:
            living = self._first_runs(root, ticks)
        self._somebody = self._somebody or living
        if self._root is not None:  # Known and ended: a program of a moment.
            return living
        return living or (not self._somebody and time.monotonic() - self._begun < NOBODY)

    def _first_runs(self, root: int, ticks: int) -> bool:
        """Whether the tree's first process runs, or one that takes its place."""
        if self._root == self._heir and heir.wanted(self.path, self._sock):
            return False
        if directory.read_root(self.path, directory.ENDED) == (root, ticks):
            return False
        if process.runs(root, ticks):
            return True
        found = None if self._stop.is_set() else heir.find(self.path)
        if found is None:
            return False
        try:
            heir.succeed(self.path, found)
        except OSError:  # As at the next look.
            return True
        self._root = self._heir = found
        self.voice.log(f"the tree's first process has ended; going on with process {found[0]}")
        return True

    def _in_the_way(self) -> bool:
        """Whether the program cannot go on before we end; it starts another exporter if it does."""
        root, _ = self._root or (0, 0)
        if self.guest or not self._awaited.look(
            {root, *self.engine.pids}, os.getpid(), os.getppid()
        ):
            return False
        self.voice.log("ending, since the program waits for all of its children")
        return True

    def _hold(self) -> None:
        """Takes the lock anew where somebody wiped the directory."""
        if self.lock.lies_there():
            self.listener.catch_up()
            return
        try:
            os.makedirs(self.path, 0o700, exist_ok=True)
            if self.lock.take():
                self.voice.log("the state directory was wiped; going on with what we had read")
                if self._root is not None:
                    directory.write_root(self.path, self._root)
                    self.voice.note()
                    if not os.geteuid() and not self.guest:
                        visitors.receive(self.path, self._root)
                        self.engine.users.watch()
                if self._sock is not None:
                    self.listener.announce(self._sock)
        except OSError:
            pass

    # -- services --------------------------------------------------------------------------------

    async def _serve(self) -> None:
        web = await self.listener.web_config()
        self._sock = await self.listener.listen(self._missed)
        self.listener.announce(self._sock)
        server = Server(self._render, self.settings.path, web, self._connections)
        server.on_shed = lambda: self.engine.own.add(selfmetrics.SHED)
        server.on_error = lambda: self.voice.log(traceback.format_exc())
        await server.serve(self._sock)

    async def _feed(self) -> None:
        """Answers the programs whose own ports serve the metrics too."""
        if self.settings.mount is None:
            return
        web = await self.listener.web_config()
        server = Server(self._render, self.settings.path, web, self._connections)
        server.on_shed = lambda: self.engine.own.add(selfmetrics.SHED)
        server.on_error = lambda: self.voice.log(traceback.format_exc())
        while True:
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    sock.bind(where.feed(self.path))
                    sock.listen(128)
                except OSError as error:  # A predecessor's that is about to end.
                    self.voice.log(f"MONAGENT_MOUNT: {error}")
                else:
                    await server.serve(sock, plain=True)
            await asyncio.sleep(ROUND)

    def _missed(self) -> None:
        self.engine.own.add(selfmetrics.BINDS)

    async def _render(self, kind: str, compressed: bool) -> bytes:
        def work() -> bytes:
            text = self.engine.scrape(kind == OPENMETRICS)
            return gzip.compress(text, 1) if compressed else text

        return await self._work(work)

    # -- the end ---------------------------------------------------------------------------------

    async def _finish(self, ended: bool) -> bool:
        """Last fold and deliveries; False when somebody new has come meanwhile."""
        await self._work(self.engine.look)  # Told to stop at once, it has not looked yet.
        await self._work(self.engine.fold)
        await self.outbox.last()
        return not ended or not await self._work(self._look)
