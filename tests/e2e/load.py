"""A client that counts: so many requests over so many connections, and what became of each.

It speaks just enough HTTP/1.1 to keep connections alive, and it is exact about what it does not
know: a request whose connection broke before the answer may or may not have been served.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What the client saw.

    Attributes:
        statuses: complete answers by status code.
        unknown: requests that were sent and not answered.
        refused: connections that could not be made; nothing was sent on them.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    unknown: int = 0
    refused: int = 0

    @property
    def answered(self) -> int:
        """All complete answers."""
        return sum(self.statuses.values())


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Reads one answer to its end; returns its status and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    else:
        await reader.read()
        return status, False
    return status, headers.get("connection", "").lower() != "close"


async def _connection(
    port: int, requests: Iterator[tuple[str, str]], seen: Outcome, keep: bool
) -> None:
    last = "" if keep else "Connection: close\r\n"
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    for method, path in requests:
        if reader is None or writer is None:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                seen.refused += 1
                await asyncio.sleep(0.02)
                continue
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
            await writer.drain()
            status, kept = await asyncio.wait_for(_answer(reader), 30)
            seen.statuses[status] += 1
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            seen.unknown += 1
            kept = False
        if not kept or not keep:
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


async def _drive(
    port: int, requests: Iterable[tuple[str, str]], connections: int, keep: bool
) -> Outcome:
    seen = Outcome()
    shared = iter(requests)
    await asyncio.gather(*(_connection(port, shared, seen, keep) for _ in range(connections)))
    return seen


def drive(
    port: int, requests: Iterable[tuple[str, str]], connections: int = 8, *, keep: bool = True
) -> Outcome:
    """Sends (method, path) pairs to a server on loopback, shared out over connections.

    Without `keep` every request has a connection of its own.
    """
    return asyncio.run(_drive(port, requests, connections, keep))


def gets(count: int, *paths: str) -> list[tuple[str, str]]:
    """`count` GET requests, the paths in turn."""
    return [("GET", paths[number % len(paths)]) for number in range(count)]
