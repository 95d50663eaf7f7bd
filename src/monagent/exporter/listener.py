"""The listening socket: inherited, or bound here and tried again until the port is free."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from monagent import listening, tree
from monagent.exporter import waiting
from monagent.exporter.disk import Disk, replace
from monagent.exporter.voice import Voice
from monagent.exporter.webconfig import WebConfig, Wrong
from monagent.settings import Settings
from monagent.settings_paths import shut
from monagent.store import directory

AGAIN = 1.0
"""Seconds between two attempts."""
PATIENCE = 20.0
"""Seconds that the exporter of the run before may keep the port, before that is told."""


@dataclass
class Listener:
    """Where the endpoint is to be: the settings, and a descriptor if somebody has bound it."""

    path: str
    settings: Settings
    voice: Voice
    fd: int | None = None
    told: bool = False
    unannounced: socket.socket | None = None

    async def listen(self, failed: Callable[[], None]) -> socket.socket:
        """A listening socket, however long it takes; `failed` is called at every failure."""
        if self.fd is not None:
            sock = socket.socket(fileno=self.fd)
            sock.set_inheritable(False)
            waiting.end(self.path)
            return sock
        patience = time.monotonic() + PATIENCE
        first = True
        while True:
            try:
                found = listening.listen(self.settings.host, self._port())
            except OSError as error:
                failed()
                if error.errno == errno.EADDRINUSE:
                    waiting.begin(self.path, self.settings.host, self._port())
                if first or (time.monotonic() < patience and self._by_predecessor()):
                    first = False  # Who had it then may have ended before we could look.
                    await asyncio.sleep(AGAIN / 4)
                    continue
                if not self.told:
                    neighbour = tree.neighbour(self.path, self.settings.port)
                    self._tell(listening.problem(self.settings, error, neighbour))
                await asyncio.sleep(AGAIN)
                continue
            waiting.end(self.path)
            sock = socket.socket(fileno=found.detach())
            if self.settings.port == 0:
                self.voice.say(f"metrics on {listening.url(sock, self.settings)}", "info")
            return sock

    def _by_predecessor(self) -> bool:
        return tree.predecessor_listens(self.path, self.settings.port)

    def _port(self) -> int:
        """The port a predecessor chose, where any will do: who scrapes it goes on scraping it."""
        if self.settings.port:
            return self.settings.port
        try:
            with open(f"{self.path}/{directory.ENDPOINT}", encoding="utf-8") as file:
                return urllib.parse.urlsplit(file.read().strip()).port or 0
        except (OSError, ValueError):
            return 0

    async def web_config(self) -> WebConfig:
        """The web-config file in force; a wrong one keeps the endpoint closed, not open to all, and
        so does a settings file that may have named one."""
        if self.settings.closed:
            (self.voice.log if self.told else self._tell)(self.settings.closed)
        while self.settings.closed:
            await asyncio.sleep(5 * AGAIN)
        if not self.settings.web_config:
            return WebConfig()
        while True:
            try:
                return WebConfig.load(self.settings.web_config)
            except Wrong as error:
                self._tell(shut(str(error)))
                await asyncio.sleep(5 * AGAIN)

    def announce(self, sock: socket.socket) -> None:
        """Leaves the endpoint's URL in the directory; where that is full, at a later `catch_up`."""
        before, self.unannounced = self.unannounced, None
        try:
            url = listening.url(sock, self.settings)
            replace(Disk(), f"{self.path}/{directory.ENDPOINT}", f"{url}\n".encode())
        except OSError as error:
            self.unannounced = sock
            if before is None:
                self.voice.log(f"cannot write {directory.ENDPOINT}: {error}")

    def catch_up(self) -> None:
        """Announces what could not be before."""
        if self.unannounced is not None:
            self.announce(self.unannounced)

    def _tell(self, line: str) -> None:
        """The first trouble is said, every further kind goes to the log."""
        if self.told:
            return
        self.told = True
        self.voice.say(line)
