"""Through the front door: the program's own output as it was, and exact totals on our endpoint."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.launch import oracle

APPS = Path(__file__).parent / "apps"


def samples(text: str, *prefixes: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Name and labels to value, of the samples whose names begin so."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(prefixes)
    }


def test_the_programs_own_metrics_are_served_too(tmp_path: Path) -> None:
    """Over forks, exits and kills our totals are those that the program's own files have."""
    command = [sys.executable, str(APPS / "workers.py")]
    served = tmp_path / "served.prom"
    bare = oracle.run(oracle.BARE, command)
    adopted = oracle.run(
        oracle.RUN,
        command,
        options=["--adopt", "otel,prometheus_client", "--supervise", "--textfile", str(served)],
    )
    ours, theirs = samples(served.read_text(), "order"), samples(bare.stdout.decode(), "order")
    living = {(name, frozenset[tuple[str, str]]()) for name in ("order_workers", "order_highest")}
    plus = ("order_seconds_bucket", frozenset({("le", "+Inf")}))

    # Which of the files stands first is the file system's choice.
    assert sorted(adopted.stdout.splitlines()) == sorted(bare.stdout.splitlines())
    assert [(one.code, one.stderr) for one in (bare, adopted)] == [(0, b"")] * 2
    assert theirs["orders_total", frozenset({("shop", "north")})] == 10 + sum(range(20, 26))
    assert ours.pop(plus) == theirs["order_seconds_count", frozenset()]
    # The SDK knows of its own process alone, and of what came after it was there.
    assert b"# visits {'page': 'home'} 5\n" in bare.stdout
    visits = samples(served.read_text(), "visits", "stayed_seconds_count")
    home = frozenset({("page", "home")})
    assert visits == {("visits_total", home): 145.0, ("stayed_seconds_count", frozenset()): 145.0}
    # Gauges of the dead go, and the program itself has ended by now.
    assert ours == {key: value for key, value in theirs.items() if key not in living}


@pytest.mark.parametrize("exporter", ["process", "thread"])
def test_a_gauge_is_delivered_at_the_end_where_its_process_still_lives(
    exporter: str, tmp_path: Path
) -> None:
    """With the exporter inside; one of its own delivers when the program has ended."""
    served = tmp_path / "served.prom"
    program = (
        "from prometheus_client import Counter, Gauge\n"
        "Counter('order_rows', 'Rows.').inc(5)\n"
        "Gauge('order_last_success_unixtime', 'When it ran.').set(7)\n"
    )
    options = ["--adopt", "prometheus_client", "--supervise", "--textfile", str(served)]
    done = oracle.run(
        oracle.RUN,
        [sys.executable, "-c", program],
        options=options,
        environ={"MONAGENT_EXPORTER": exporter, "MONAGENT_LOG_LEVEL": "warning"},
    )
    found = samples(served.read_text(), "order")

    assert (done.code, done.stderr) == (0, b"")
    assert found.pop(("order_rows_total", frozenset())) == 5.0
    gauge = {("order_last_success_unixtime", frozenset[tuple[str, str]]()): 7.0}
    assert found == (gauge if exporter == "thread" else {})


def test_a_program_that_has_neither_library_pays_nothing() -> None:
    """What records is not even loaded."""
    program = "import sys; print(sorted(n for n in sys.modules if n.startswith('monagent.')))"
    command = [sys.executable, "-c", program]
    found = oracle.run(oracle.RUN, command, options=["--adopt", "otel,prometheus_client"])

    assert found == oracle.run(oracle.RUN, command)
    assert b"monagent.metrics" not in found.stdout


@pytest.mark.parametrize("mode", oracle.ADOPTED)
def test_without_the_setting_nothing_is_patched(mode: str) -> None:
    """Nor is anything loaded for it."""
    program = (
        "import sys, logging, prometheus_client as p\n"
        "try:\n    import opentelemetry.sdk.metrics as o\nexcept ImportError:\n    o = None\n"
        "c = p.Counter('a', 'A.')\nc.inc()\n"
        "print('monagent.metrics' in sys.modules, [n for n in sys.modules if 'adopted' in n])\n"
        "print(hasattr(p.Counter.inc, '__wrapped__'), sorted(vars(c)))\n"
        "print(o and hasattr(o.Counter.add, '__wrapped__'))\n"
    )
    command = [sys.executable, "-c", program]
    bare = oracle.run(oracle.BARE, command)
    found = oracle.run(mode, command)

    assert found.stdout == bare.stdout.replace(b"False []", b"True []")
    assert (found.code, found.stderr) == (0, b"")
