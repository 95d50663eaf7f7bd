"""Events of a stream, as a browser would take them out of its bytes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monagent.conventions.realtime import SSE_EVENTS, EventStream
from tests.http_client.numbers import Numbers

NONE: dict[str, int] = {}
TEXT = (
    b": first\n\nretry: 3000\r\n\r\ndata: 1\n\nevent: tick\rdata: 2\rid: 7\r\r"
    b"event: ping\r\n\r\ndata\n\nevent:tick\ndata:3\ndata:4\r\n\r\n\r\nid: 8\n\ndata: half"
)
TOLD = {"message": 2, "tick": 2}


def told(numbers: Numbers, *chunks: bytes) -> dict[str, int]:
    """Events by name that a stream of these chunks is counted for."""
    before = events(numbers)
    stream = EventStream("/events", 0.0)
    for chunk in chunks:
        stream.sent(chunk)
    stream.ended(None)
    return {
        name: number - before.get(name, 0)
        for name, number in events(numbers).items()
        if number > before.get(name, 0)
    }


def events(numbers: Numbers) -> dict[str, int]:
    """All events so far, by name."""
    return {str(have["event"]): int(cells[0]) for have, cells in numbers.series(SSE_EVENTS.name)}


@pytest.mark.parametrize(
    "block", ["retry: 3000", "id: 7", "event: ping", ": still here", "databases: 1", "eventful: 1"]
)
def test_a_block_without_data_is_no_event(numbers: Numbers, block: str) -> None:
    """Nor does what it tells pass to the next one."""
    assert told(numbers, f"{block}\n\ndata: 1\n\n".encode()) == {"message": 1}


@pytest.mark.parametrize("line", ["data: 1", "data:", "data", "id: 7\ndata: 1\nretry: 1"])
def test_a_block_with_data_is_an_event(numbers: Numbers, line: str) -> None:
    """Empty data too; what has not ended is none."""
    assert told(numbers, line.encode(), b"\n") == NONE
    assert told(numbers, line.encode(), b"\n", b"\n") == {"message": 1}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_one_of_three_ways(numbers: Numbers, end: str) -> None:
    """Three events, however their chunks are cut."""
    text = f"event: tick{end}data: 1{end}{end}data: 2{end}{end}data: 3{end}{end}".encode()
    expected = {"tick": 1, "message": 2}

    assert told(numbers, text) == expected
    assert told(numbers, *(bytes([byte]) for byte in text)) == expected


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, len(TEXT))))
def test_chunks_may_be_cut_anywhere(numbers: Numbers, cuts: list[int]) -> None:
    """Within a line's end, too, and some are empty."""
    at = sorted(cuts)
    chunks = [TEXT[a:b] for a, b in zip([0, *at], [*at, len(TEXT)], strict=True)]

    assert told(numbers, *chunks) == TOLD


def test_a_long_line_in_many_chunks_is_one_event(numbers: Numbers) -> None:
    """Of what has not ended no more is kept than tells its field."""
    stream = EventStream("/events", 0.0)
    for chunk in (b"event: big\ndata: ", *[b"data:" * 2_000] * 50):
        stream.sent(chunk)
    kept = len(stream._tail)
    stream.sent(b"\n\n")

    assert events(numbers) == {"big": 1}
    assert kept < 10_000
