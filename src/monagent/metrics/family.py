"""A family of series (one metric) in one shard: makes a series at its first use, once, whoever
comes at the same time.

Making one is the slow path.  Threads take turns; what comes in between in the same thread (a signal
handler, `__del__`) must neither wait nor see half a series, so its value is put by and recorded a
moment later.
"""

from __future__ import annotations

from monagent import guard
from monagent.metrics.recorders import INFINITY, extremes_at, recorder
from monagent.store import layout
from monagent.store.attributes import all_to_json
from monagent.store.encoding import encode
from monagent.store.shard import Full
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from monagent.metrics.recorders import Recorder
    from monagent.store.asleep import View
    from monagent.store.joint import Pairs
    from monagent.store.shard import Shard

    Maker = Callable[[list[View], int, Mapping[str, object]], Recorder]

# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute
OVERFLOW = {"otel.metric.overflow": True}


class Spec:
    """What a metric is: everything that its descriptor says."""

    __slots__ = ("bounds", "help", "kind", "merge", "minmax", "name", "scope", "unit")

    def __init__(
        self,
        name: str,
        kind: str,
        unit: str = "",
        help: str = "",
        bounds: tuple[float, ...] = (),
        merge: str = "sum",
        minmax: bool = False,
        scope: tuple[str, str, str] = ("monagent", "", ""),
    ) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.bounds = bounds
        self.merge = merge
        self.minmax = minmax
        self.scope = scope

    def descriptor(self) -> dict[str, object]:
        """The fields of its record in the shard."""
        return {field: getattr(self, field) for field in self.__slots__}


class Family:
    """The series of the metric `spec` in `shard`, at most `limit` of them with the overflow
    series.

    Args:
        overflowed: told of every measurement beyond the limit.
        maker: makes the recorder of a new series, in place of the usual one.
    """

    def __init__(
        self,
        shard: Shard,
        spec: Spec,
        limit: int,
        overflowed: Callable[[Family], None] | None = None,
        maker: Maker | None = None,
    ) -> None:
        self.shard = shard
        self.spec = spec
        self.limit = limit
        self.series: dict[Hashable, Recorder] = {}
        self._id = -1
        self._width = layout.width(spec.kind, len(spec.bounds), spec.minmax)
        self._overflowed = overflowed
        self._overflow: Recorder | None = None
        self._maker = maker

    def recorder(
        self, key: Hashable, attributes: Mapping[str, object], announced: bool = False
    ) -> Recorder:
        """The recorder of the series that `key` stands for, made with these attributes if it is
        new; `announced` says that there is nothing to record yet.

        Beyond the limit it is the recorder of the overflow series, and the key is not kept; nor is
        it when the shard cannot grow, and then nothing is recorded.
        """
        found = self.series.get(key)
        if found is not None:
            return found
        shard = self.shard
        with shard.lock:
            if shard.busy:
                return self._later(key, attributes)
            found = self.series.get(key)
            if found is not None:
                return found
            if os.getpid() != shard.pid:  # forked without Python's hooks
                shard.forked()
            shard.busy = True
            try:
                full = len(self.series) >= self.limit - 1
                made = self._spill() if full else self._make(attributes)
                if not full:
                    self.series[key] = made
            except Full:
                made = self._overflow or _discard
            finally:
                shard.busy = False
        if full and not announced and self._overflowed is not None:
            self._overflowed(self)
        _catch_up(shard)
        return made

    def _make(self, attributes: Mapping[str, object]) -> Recorder:
        shard, spec = self.shard, self.spec
        plain = all_to_json(attributes)
        if self._id < 0:
            identifier = shard.instruments
            shard.instruments = identifier + 1
            shard.describe(encode({"instrument": identifier, **spec.descriptor()}))
            self._id = identifier

        def record(at: int) -> bytes:
            return encode({"series": self._id, "at": at, "width": self._width, "attributes": plain})

        index = shard.series(self._width, record)
        if spec.minmax:
            smallest, largest = extremes_at(index, spec.bounds)
            shard.preset(smallest, INFINITY)
            shard.preset(largest, -INFINITY)
        if self._maker is not None:
            return self._maker(shard.mem, index, attributes)
        return recorder(spec.kind, shard.mem, index, spec.bounds, spec.minmax)

    def _spill(self) -> Recorder:
        if self._overflow is None:
            self._overflow = self._make(OVERFLOW)
        return self._overflow

    def _later(self, key: Hashable, attributes: Mapping[str, object]) -> Recorder:
        def record(value: float) -> None:
            self.shard.deferred.append(lambda: self.recorder(key, attributes)(value))

        return record


def joint(shard: Shard, width: int, spread: Pairs, counts: Pairs) -> int | None:
    """Reserves joint cells (see `store.layout`) in a shard and gives the index of the first; None
    where they cannot be had: a series is just being made, or there is no room."""

    def record(at: int) -> bytes:
        return encode({"joint": at, "width": width, "spread": spread, "counts": counts})

    with shard.lock:
        if shard.busy or os.getpid() != shard.pid:
            return None
        shard.busy = True
        try:
            made = shard.series(width, record)
        except Full:
            return None
        finally:
            shard.busy = False
    _catch_up(shard)
    return made


def _catch_up(shard: Shard) -> None:
    deferred = shard.deferred
    while deferred:
        try:
            put_by = deferred.pop(0)
        except IndexError:  # Another thread took it.
            return
        try:
            put_by()
        except BaseException as error:
            guard.failed("metrics", error)


def _discard(value: float) -> None:
    """For a series that there is no room for."""
