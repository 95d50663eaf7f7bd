"""The engine in memory: what it forgets, what it remembers, and what a successor takes over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monagent import settings
from monagent.exporter import selfmetrics
from monagent.exporter.engine import Engine
from monagent.store.reader import Instrument
from tests.exporter.forge import ACTIVE, REQUESTS, Deaths, Forged
from tests.exporter.running import text_samples

DEPTH = Instrument("depth", "gauge", "", "Depth.", (), "max")


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def engine(
    path: Path,
    deaths: Deaths,
    clock: Clock | None = None,
    lines: list[str] | None = None,
    **environ: str,
) -> Engine:
    """An engine on this directory that tells its lines to `lines`."""
    log = [] if lines is None else lines
    return Engine(
        str(path),
        settings.load(environ),
        log.append,
        alive=deaths.alive,
        clock=clock or Clock(),
    )


def scrape(one: Engine) -> dict[str, float]:
    """Its samples."""
    return text_samples(one.scrape(False).decode())


def test_series_of_the_living_alone_are_forgotten_with_their_processes(tmp_path: Path) -> None:
    """A gauge for each of many short processes does not fill the memory, and counters stay."""
    deaths = Deaths()
    one = engine(tmp_path, deaths)
    Forged(str(tmp_path), [(REQUESTS, {}, [0.5]), (ACTIVE, {}, [1.0])])
    for number in range(30):
        series = [(DEPTH, {"n": f"{number}-{n}"}, [1.0, 1.0]) for n in range(50)]
        shard = Forged(str(tmp_path), [*series, (REQUESTS, {}, [0.1]), (REQUESTS, {"a": 1}, [1.0])])
        before = scrape(one)
        deaths.kill(shard)
        one.look()
        one.fold()
        after = scrape(one)
        assert after["http_requests_total"] == before["http_requests_total"]
        assert not any(name.startswith("depth") for name in after)

    assert scrape(one)["http_requests_total"] == pytest.approx(3.5, abs=1e-12)
    assert scrape(one)['http_requests_total{a="1"}'] == 30.0
    assert scrape(one)["http_server_active_requests"] == 1.0
    assert scrape(one)["monagent_series"] < 1100


def test_a_successor_shows_the_same_series_beyond_the_limit(tmp_path: Path) -> None:
    """Were others to take the places, the overflow series would fall."""
    deaths = Deaths()
    first = engine(tmp_path, deaths, MONAGENT_SERIES_LIMIT="3")
    for number, pid in enumerate((9, 1, 5)):
        series = [(REQUESTS, {"pid": pid, "n": n}, [1.0 + n]) for n in range(3)]
        Forged(str(tmp_path), [*series], pid=pid, created=number)
        before = scrape(first)
    after = scrape(engine(tmp_path, deaths, MONAGENT_SERIES_LIMIT="3"))

    assert before['http_requests_total{otel_metric_overflow="true"}'] == 11.0
    for name, value in before.items():
        if name.startswith("http_requests"):
            assert after[name] == value


def test_folds_wait_for_company_but_not_for_long(tmp_path: Path) -> None:
    """One write for many dead, at the latest after two seconds."""
    deaths, clock = Deaths(), Clock()
    one = engine(tmp_path, deaths, clock)
    one.look()
    for _ in range(3):
        deaths.kill(Forged(str(tmp_path), [(REQUESTS, {}, [1.0])]))
    one.look()
    waiting = len(list(tmp_path.glob("*.shard")))
    clock.now += 2.5
    one.look()
    folded = len(list(tmp_path.glob("*.shard")))
    for _ in range(20):
        deaths.kill(Forged(str(tmp_path), [(REQUESTS, {}, [1.0])]))
    one.look()

    assert (waiting, folded) == (3, 0)
    assert list(tmp_path.glob("*.shard")) == []
    assert scrape(one)["http_requests_total"] == 23.0


def test_a_successor_goes_on_with_our_own_counters(tmp_path: Path) -> None:
    """A replaced exporter is no restart of the tree: nothing that counts begins anew."""
    deaths = Deaths()
    first = engine(tmp_path, deaths)
    for _ in range(3):
        first.own.add(selfmetrics.DELIVERIES, goal="otlp", outcome="success")
        scrape(first)
    before = scrape(first)

    after = scrape(engine(tmp_path, deaths))

    counters = [
        name for name in before if name.partition("{")[0].endswith(("_total", "_bucket", "_count"))
    ]
    assert len(counters) > 10
    for name in counters:
        if not name.startswith("process_"):
            assert after[name] >= before[name], name
    assert after['monagent_deliveries_total{goal="otlp",outcome="success"}'] == 3.0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_successor_knows_the_tree_s_users(tmp_path: Path) -> None:
    """Of visitors that have ended meanwhile nobody can be asked whose they were."""
    deaths, user = Deaths(), 54321
    state, place = tmp_path / "state", tmp_path / "state.visitors"
    state.mkdir()
    place.mkdir()

    def visit() -> None:
        shard = Forged(str(place), [(REQUESTS, {}, [1.0])])
        os.chown(next(place.glob(f"*{shard.nonce:016x}*")), user, user)
        deaths.kill(shard)

    first = engine(state, deaths)
    visit()
    before = scrape(first)
    first._roster.users.restore([user])
    known = scrape(first)
    visit()
    after = scrape(engine(state, deaths))

    assert "http_requests_total" not in before
    assert (known["http_requests_total"], after["http_requests_total"]) == (1.0, 2.0)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"own": [[1]]}', b'{"own": 5}', b"\xff"])
def test_a_damaged_ledger_is_told_and_never_fatal(tmp_path: Path, content: bytes) -> None:
    """The counters of our own then begin anew; those of the program do not."""
    (tmp_path / "ledger").write_bytes(content)
    Forged(str(tmp_path), [(REQUESTS, {}, [1.0])])
    lines: list[str] = []
    one = engine(tmp_path, Deaths(), lines=lines)

    assert scrape(one)["http_requests_total"] == 1.0
    assert any("ledger" in line for line in lines)


def test_constant_labels_stand_on_every_series(tmp_path: Path) -> None:
    """On those of the processes by what they were started with, and on our own."""
    labels = {"component": "web"}
    Forged(str(tmp_path), [(REQUESTS, {}, [1.0])], info={"labels": labels})
    Forged(str(tmp_path), [(REQUESTS, {}, [2.0])], info={"labels": {"component": "worker"}})
    Forged(str(tmp_path), [(REQUESTS, {"component": "own"}, [4.0])], info={"labels": labels})

    found = scrape(engine(tmp_path, Deaths(), MONAGENT_LABELS="component=web"))

    assert found['http_requests_total{component="web"}'] == 1.0
    assert found['http_requests_total{component="worker"}'] == 2.0
    assert found['http_requests_total{component="own"}'] == 4.0
    assert all("component=" in name for name in found if not name.startswith("target_info"))


def test_hidden_metrics_are_told_once(tmp_path: Path) -> None:
    """An operator who misses one finds the reason in the log."""
    clash = Instrument("http.requests", "gauge", "", "Other.")
    Forged(str(tmp_path), [(REQUESTS, {}, [1.0]), (clash, {}, [1.0, 1.0])])
    lines: list[str] = []
    one = engine(tmp_path, Deaths(), lines=lines)

    for _ in range(3):
        scrape(one)

    assert lines == ["http.requests (gauge) is not shown: http_requests is a counter"]
    assert scrape(one)['monagent_metric_conflicts{outcome="hidden"}'] == 1.0
