"""Several series added to at once: by the function that ends an outgoing call, or by a convention
that adds to the cells themselves.

Between two system calls a processor's caches are cold, and each call that is saved there is worth
half a microsecond: more than the additions themselves.
"""

from __future__ import annotations

from bisect import bisect_left

from monagent.clock import perf_counter, time
from monagent.metrics.declared import cache, recording
from monagent.metrics.family import joint
from monagent.metrics.pulse import due, pulse
from monagent.native import MOST_EDGES, part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from monagent.metrics.recorders import Recorder
    from monagent.store.joint import Pairs

    Finish = Callable[[float, int, int], None]


def place(recorder: Recorder) -> tuple[Any, int, tuple[float, ...]] | None:
    """Where a bound recorder adds: the shard's `mem`, the first index, a histogram's edges.

    None for one that puts its values by, because its series is being made at this moment.
    """
    names: Any = recorder.__code__.co_freevars
    cells: Any = recorder.__closure__
    found = {name: cell.cell_contents for name, cell in zip(names, cells or (), strict=True)}
    if "mem" not in found or "index" not in found:
        return None
    return found["mem"], found["index"], found.get("bounds", ())


def cell(recorder: Recorder) -> tuple[Any, int]:
    """Where a bound counter adds, `mem` and the index; beside the counter, if it puts values by."""
    found = place(recorder)
    return ([Apart([recorder])], 0) if found is None else found[:2]


class Apart:
    """Stands in for a shard's view where a series is just being made: each recorder gets what is
    added to its first cell."""

    __slots__ = ("_recorders",)

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders

    def __getitem__(self, index: int) -> float:
        return 0.0

    def __setitem__(self, index: int, value: float) -> None:
        if not index % _APART:
            self._recorders[index // _APART](value)


_APART = 1_000  # further than any histogram has buckets


def places(*recorders: Recorder) -> tuple[Any, list[tuple[int, tuple[float, ...]]], bool]:
    """Where several recorders add: `mem`, the first index and the edges of each; and whether that
    may be kept."""
    found = [place(recorder) for recorder in recorders]
    kept = [each for each in found if each is not None]
    if len(kept) < len(found):
        return [Apart(recorders)], [(n * _APART, ()) for n in range(len(recorders))], False
    return kept[0][0], [(index, edges) for _, index, edges in kept], True


_joints: dict[Any, int] = cache()


def together(mem: Any, edges: tuple[float, ...], spread: Pairs, counts: Pairs) -> int:
    """The first of the joint cells for what a histogram with these edges gets and other series get
    with it (see `store.layout`), where all are in `mem`; -1 where such cells cannot be had."""
    key = spread, counts
    found = _joints.get(key)
    if found is None:
        shard = recording().shard
        made = joint(shard, len(edges) + 2, *key) if edges and mem is shard.mem else None
        if made is None:
            return -1
        found = _joints.setdefault(key, made)
    return found


def counter(recorder: Recorder) -> Recorder:
    """A bound counter's recorder, in C where that was built."""
    found = place(recorder)
    return recorder if part is None or found is None else part.Recorder(recorder, *found[:2])


def brief(recorder: Recorder) -> Recorder:
    """A histogram's recorder for values most of which are below its first edge."""
    found = place(recorder)
    if found is None or not found[2]:
        return recorder
    mem, i, edges = found

    def record(
        value: float,
        mem: Any = mem,
        edges: Any = edges,
        search: Any = bisect_left,
        short: float = edges[0],
        i: int = i,
        i1: int = i + 1,
    ) -> None:
        bucket = i1 if value <= short else i1 + search(edges, value)
        view = mem[0]
        view[i] += value
        view[bucket] += 1.0

    if part is None or len(edges) > MOST_EDGES:
        return record
    made: Recorder = part.Recorder(record, mem, i, edges)
    return made


def timer(recorder: Recorder) -> tuple[Callable[[float], None], bool]:
    """The function that ends what began at a time of the clock `perf_counter`, for the histogram of
    a bound recorder; and whether it may be kept. Most of what it ends takes less than the first
    edge, which needs no search."""
    found = place(recorder)
    if found is None:
        return lambda begun: recorder(perf_counter() - begun), False
    mem, i, edges = found
    if not edges:
        edges = (float("inf"),)

    def end(
        begun: float,
        mem: Any = mem,
        edges: Any = edges,
        search: Any = bisect_left,
        clock: Any = perf_counter,
        due: Any = due,
        short: float = edges[0],
        i: int = i,
        i1: int = i + 1,
    ) -> None:
        now = clock()
        seconds = now - begun
        bucket = i1 if seconds <= short else i1 + search(edges, seconds)
        view = mem[0]
        view[i] += seconds
        view[bucket] += 1.0
        if now > due[0]:
            pulse(now)

    if Timer is None or len(edges) > MOST_EDGES:
        return end, True
    return Timer(end, due, pulse, mem, i, edges), True


Timer: Any = getattr(part, "Timer", None)
"""The same in C, made of `end`, where it goes when there is no shard to add to at this moment."""


def attempt(
    active: Recorder, busy: Recorder, count: Recorder, duration: Recorder, last: Recorder | None
) -> tuple[Callable[[float], None], bool]:
    """The function that ends an attempt: one active and one busy less, one more of this outcome,
    its seconds, the time of the `last` one; and whether it may be kept."""
    gauge = () if last is None else (last,)
    mem, found, keep = places(active, busy, count, duration, *gauge)
    if not keep:

        def each(seconds: float) -> None:
            active(-1.0)
            busy(-1.0)
            count(1.0)
            duration(seconds)
            if last is not None:
                last(time())

        return each, False
    (a, _), (b, _), (c, _), (d, edges), *_ = found

    def end(
        seconds: float,
        mem: Any = mem,
        edges: Any = edges,
        search: Any = bisect_left,
        clock: Any = time,
        short: float = edges[0] if edges else -1.0,
        a: int = a,
        b: int = b,
        c: int = c,
        d: int = d,
        d1: int = d + 1,
        g: int = found[4][0] if gauge else -1,
    ) -> None:
        bucket = d1 if seconds <= short else d1 + search(edges, seconds)
        now = clock()
        view = mem[0]
        view[a] -= 1.0
        view[b] -= 1.0
        view[c] += 1.0
        view[d] += seconds
        view[bucket] += 1.0
        if g >= 0:
            view = mem[0]  # Awake by now: to what is asleep one can only add.
            view[g] = now
            view[g + 1] = now

    if part is None or len(edges) > MOST_EDGES:
        return end, True
    return part.Recorder(end, mem, d, edges, a, b, c, found[4][0] if gauge else -1), True


def exchange(
    active: Recorder, duration: Recorder, request: Recorder, response: Recorder
) -> tuple[Finish, bool]:
    """The function that ends a call: one active less, its seconds, the bytes of both bodies (-1:
    not known); and whether it may be kept."""
    places = [place(recorder) for recorder in (active, duration, request, response)]
    if None in places:
        return _apart(active, duration, request, response), False
    (mem, a, _), (_, d, edges), (_, q, q_edges), (_, r, r_edges) = (
        found for found in places if found
    )
    # Most calls have no body to send and get a small answer.
    none = q + 1 + bisect_left(q_edges, 0)
    j = together(mem, edges, ((0, d),), ((a, -1), (none, 1), (r + 1, 1)))
    small = r_edges[0] if r_edges and j >= 0 else -1.0

    # What it needs are defaults, which lie side by side, not cells of a closure. No call stands
    # between mem[0] and the last write, see recorders.py.
    def finish(
        seconds: float,
        sent: int,
        received: int,
        mem: Any = mem,
        edges: Any = edges,
        q_edges: Any = q_edges,
        r_edges: Any = r_edges,
        search: Any = bisect_left,
        short: float = edges[0] if edges else -1.0,
        small: float = small,
        a: int = a,
        d: int = d,
        q: int = q,
        none: int = none,
        r: int = r,
        j: int = j,
    ) -> None:
        bucket = 1 if seconds <= short else 1 + search(edges, seconds)
        if 0 <= received <= small and not sent:
            bucket += j
            view = mem[0]
            view[j] += seconds
            view[bucket] += 1.0
            view[r] += received
            return
        bucket += d
        sent_bucket = q + 1 + search(q_edges, sent) if sent else none
        received_bucket = r + 1 if received <= small else r + 1 + search(r_edges, received)
        view = mem[0]
        view[a] -= 1.0
        view[d] += seconds
        view[bucket] += 1.0
        if sent > 0:
            view[q] += sent
        if sent >= 0:
            view[sent_bucket] += 1.0
        if received >= 0:
            view[r] += received
            view[received_bucket] += 1.0

    if part is None or max(map(len, (edges, q_edges, r_edges))) > MOST_EDGES:
        return finish, True
    histograms = (d, edges), (q, q_edges), (r, r_edges)
    return part.Finish(finish, mem, a, *histograms, none, j, small), True


def _apart(active: Recorder, duration: Recorder, request: Recorder, response: Recorder) -> Finish:
    def finish(seconds: float, sent: int, received: int) -> None:
        active(-1.0)
        duration(seconds)
        if sent >= 0:
            request(sent)
        if received >= 0:
            response(received)

    return finish
