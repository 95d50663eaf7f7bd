"""The text: one family per name, collisions settled, escapes, and what promtool says."""

from __future__ import annotations

import math
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from monagent import catalogue
from monagent.exporter import processes, selfmetrics
from monagent.exporter.exposition import Exposition
from monagent.exporter.table import Table
from monagent.store.reader import Instrument
from tests.exporter.forge import ACTIVE, LATENCY, REQUESTS, TEMPERATURE, Forged
from tests.exporter.running import exporter, parse_strictly, text_samples, until, write_root
from tests.services._started import program

Said = tuple[Instrument, dict[str, Any], list[float]]


def shown(*said: Said, openmetrics: bool = True) -> tuple[dict[str, float], Exposition]:
    """The samples of what was said, parsed, and the exposition that knows the conflicts."""
    table = Table()
    cells: list[float] = []
    for instrument, attributes, values in said:
        target = table.target(instrument, attributes)
        target.feeds += 1
        cells += [0.0] * (table.size - len(cells))
        cells[target.index : target.index + target.width] = values
    exposition = Exposition(table)
    text = exposition.render(cells, {}, openmetrics).decode()
    if openmetrics:
        list(parse_strictly(text))
    assert_one_head_per_family(text)
    found = text_samples(text.replace("# EOF\n", ""))
    return {name: value for name, value in found.items() if "target_info" not in name}, exposition


def assert_one_head_per_family(text: str) -> None:
    """No name has two HELP or TYPE lines, and no series stands there twice."""
    heads = re.findall(r"^# (?:HELP|TYPE|UNIT) \S+", text, re.MULTILINE)
    series = re.findall(r"^[^#\n].*(?= \S+$)", text, re.MULTILINE)
    assert len(heads) == len(set(heads))
    assert len(series) == len(set(series))


def counter(name: str, unit: str = "", text: str = "", scope: str = "") -> Instrument:
    """A counter."""
    return Instrument(name, "counter", unit, text, scope=(scope, "", ""))


def test_instruments_of_one_name_share_a_family_and_are_counted() -> None:
    """Two helps, two scopes, one name that carries its unit already: one HELP, sums, a count."""
    found, exposition = shown(
        (counter("wait", "s", "A."), {"a": "1"}, [1.0]),
        (counter("wait", "s", "B."), {"a": "1"}, [2.0]),
        (counter("wait", "s", "A.", "other"), {"a": "1"}, [4.0]),
        (counter("wait.seconds", "", "A."), {"a": "2"}, [8.0]),
    )

    assert found == {'wait_seconds_total{a="1"}': 7.0, 'wait_seconds_total{a="2"}': 8.0}
    assert len(exposition.families.repeated) == 2
    assert not exposition.families.conflicts


def test_a_name_of_another_type_is_hidden_counted_and_explained() -> None:
    """Whoever came first keeps the name, in both formats alike."""
    said: list[Said] = [
        (counter("jobs"), {}, [1.0]),
        (Instrument("jobs", "updowncounter", "", ""), {}, [2.0]),
        (Instrument("jobs_total", "gauge", "", ""), {}, [2.0, 1.0]),
        (LATENCY, {}, [0.5, 1.0, 0.0, 0.0, 0.5, 0.5]),
        (Instrument("http.server.request.duration.seconds.count", "gauge", "", ""), {}, [5.0, 1.0]),
        (Instrument("target.info", "gauge", "", ""), {}, [5.0, 1.0]),
    ]
    for openmetrics in (True, False):
        found, exposition = shown(*said, openmetrics=openmetrics)

        assert found["jobs_total"] == 1.0
        assert found["http_server_request_duration_seconds_count"] == 1.0
        assert "jobs" not in found
        assert len(exposition.families.conflicts) == 4
        reasons = set(exposition.families.conflicts.values())
        assert "jobs is a counter" in reasons
        assert "its name belongs to http_server_request_duration_seconds" in reasons


def test_attributes_that_become_one_label_set_are_added_up() -> None:
    """`a.b` and `a_b` are one label; gauges follow their rule."""
    gauge = Instrument("depth", "gauge", "", "", (), "max")

    found, _ = shown(
        (REQUESTS, {"a.b": "x"}, [1.0]),
        (REQUESTS, {"a_b": "x"}, [2.0]),
        (gauge, {"a.b": "x"}, [3.0, 1.0]),
        (gauge, {"a-b": "x"}, [2.0, 2.0]),
        (gauge, {"a/b": "x"}, [9.0, 0.0]),
    )

    assert found == {'http_requests_total{a_b="x"}': 3.0, 'depth{a_b="x"}': 3.0}


def test_names_and_labels_of_prometheus_own_stay_as_they_are() -> None:
    """What differs in underscores alone is not the same; others have one at a time."""
    own = "prometheus_client"

    found, exposition = shown(
        (counter("app__jobs", scope=own), {"a_b": "x"}, [1.0]),
        (counter("app__jobs", scope=own), {"a__b": "x"}, [2.0]),
        (counter("app_jobs", scope=own), {"_a_": "x"}, [4.0]),
        (counter("app_jobs", scope="other"), {"_a__": "x"}, [8.0]),
        (counter("sum_total", scope=own), {"a.-b": "x"}, [16.0]),
    )

    assert found == {
        'app__jobs_total{a_b="x"}': 1.0,
        'app__jobs_total{a__b="x"}': 2.0,
        'app_jobs_total{_a_="x"}': 12.0,
        'sum_total_total{a__b="x"}': 16.0,
    }
    assert not exposition.families.conflicts


def test_edges_of_prometheus_own_are_written_as_its_library_does() -> None:
    """Which queries name; other scopes' are written as opentelemetry-exporter-prometheus does."""
    bounds, cells = (0.5, 1e6), [3.0, 1.0, 2.0, 4.0]
    said: list[Said] = [
        (Instrument(name, "histogram", "", "", bounds, scope=(scope, "", "")), {}, cells)
        for name, scope in (("own", "prometheus_client"), ("other", ""))
    ]

    found, _ = shown(*said)

    assert found['own_bucket{le="1e+06"}'] == found['other_bucket{le="1000000.0"}'] == 3.0
    assert len(found) == 10


def test_a_gauge_and_an_up_down_counter_of_one_name_are_shown_together() -> None:
    """Both are gauges for Prometheus; two programs, or two versions of a library, may disagree."""
    gauge = Instrument("pool", "gauge", "", "", (), "max")
    amount = Instrument("pool", "updowncounter", "", "")
    said: list[Said] = [
        (gauge, {"a": "both"}, [3.0, 1.0]),
        (gauge, {"a": "set"}, [5.0, 1.0]),
        (gauge, {"a": "never set"}, [0.0, 0.0]),
        (amount, {"a": "both"}, [2.0]),
        (amount, {"a": "added"}, [7.0]),
        (amount, {"a": "never set"}, [1.0]),
    ]
    for order in (said, said[::-1]):
        found, exposition = shown(*order)

        assert found == {
            'pool{a="both"}': 5.0,
            'pool{a="set"}': 5.0,
            'pool{a="never set"}': 1.0,
            'pool{a="added"}': 7.0,
        }
        assert not exposition.families.conflicts


def test_histograms_of_other_edges_meet_at_the_edges_they_share() -> None:
    """A process with other buckets (a setting, another version): counts stay exact and valid."""
    other = Instrument("http.server.request.duration", "histogram", "s", "Duration.", (0.5, 1.0))

    found, _ = shown(
        (LATENCY, {}, [10.0, 1.0, 2.0, 4.0, 0.01, 9.0]), (other, {}, [5.0, 8.0, 16.0, 32.0])
    )

    name = "http_server_request_duration_seconds"
    assert found == {
        f'{name}_bucket{{le="1.0"}}': 27.0,
        f'{name}_bucket{{le="+Inf"}}': 63.0,
        f"{name}_count": 63.0,
        f"{name}_sum": 15.0,
    }


def test_a_label_called_le_does_not_break_a_histogram() -> None:
    """The bucket's own edge keeps the name."""
    found, _ = shown((LATENCY, {"le": "x", "a": "b"}, [0.5, 1.0, 0.0, 0.0, 0.5, 0.5]))

    assert len(found) == 5
    assert not any('le="x"' in name for name in found)


def test_numbers_that_are_none_and_letters_of_all_kinds_survive() -> None:
    """inf, nan, percent signs, quotation marks, newlines, half an emoji."""
    odd = '100%r %s "q" \\ \n é 😀 \x01'
    found, _ = shown(
        (TEMPERATURE, {"a": odd}, [math.inf, 1.0]),
        (TEMPERATURE, {"a": "nan"}, [math.nan, 1.0]),
        (TEMPERATURE, {"a": "\ud83d"}, [-math.inf, 1.0]),
        (REQUESTS, {"a": odd}, [1e300]),
    )

    values = {name.partition("{")[0]: value for name, value in found.items()}
    assert values["http_requests_total"] == 1e300
    assert sorted(map(str, found.values())) == ["-inf", "1e+300", "inf", "nan"]
    assert f'room_temperature_celsius{{a="{odd}"}}' in found


def test_help_of_our_own_metrics_is_a_sentence() -> None:
    """Each tells an operator something, in one sentence or two, and no two share a name."""
    instruments = [*selfmetrics.INSTRUMENTS, *processes.INSTRUMENTS]

    assert len({one.name for one in instruments}) == len(instruments)
    for one in instruments:
        assert one.help.endswith("."), one.name
        assert one.help[0].isupper(), one.name


def everything(path: Path) -> None:
    """A process that uses all kinds, odd names and odd labels."""
    Forged(
        str(path),
        [
            (REQUESTS, {"route": '/"\\\n', "bool": True, "list": [1, 2]}, [3.0]),
            (LATENCY, {"route": "/"}, [0.75, 1.0, 0.0, 2.0, 0.01, 7.5]),
            (ACTIVE, {}, [1.0]),
            (TEMPERATURE, {"room": "a"}, [21.5, 1.0]),
            (counter("9 lives/odd.name", "By/s", "Odd."), {"0": "x", "é": "y"}, [1.0]),
            (Instrument("depth", "gauge", "1", "Depth.", (), "last"), {}, [0.5, 1.0]),
        ],
        info={"python": "3.11.7", "implementation": "cpython", "resource": {"team": "a b"}},
    )


def test_the_catalogue_has_what_the_exporter_adds_with_its_labels(tmp_path: Path) -> None:
    """Whatever a scrape shows beside what a process has recorded, and no more labels than that."""
    write_root(tmp_path, os.getpid())
    info = {"python": "3.11.7", "implementation": "cpython"}
    Forged(str(tmp_path), [(REQUESTS, {}, [1.0])], info=info)
    with exporter(tmp_path, MONAGENT_TEXTFILE=str(tmp_path / "numbers.prom")) as running:
        until(lambda: "process_cpu_time" in running.get().text, "a look at the processes")
        shown = text_string_to_metric_families(running.get().text)
        labels = {
            family.name + ("_total" if family.type == "counter" else ""): set(sample.labels)
            - {"le"}
            for family in shown
            for sample in family.samples
        }
    listed = {
        catalogue.exposed(made): {label.replace(".", "_") for label in named}
        for made, named in catalogue.added()
    }

    del labels["http_requests_total"]
    assert labels == {name: listed[name] for name in labels}
    assert listed.keys() - labels.keys() <= {"process_disk_io_bytes_total"}  # Not all may read it.


def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    """About everything that a running exporter serves, in both formats."""
    promtool = program("promtool", "prometheus")
    write_root(tmp_path, os.getpid())
    everything(tmp_path)
    with exporter(tmp_path) as running:
        running.get()
        plain = running.get().body
        openmetrics = running.get(accept="application/openmetrics-text").text

    checked = subprocess.run(
        [promtool, "check", "metrics"], input=plain, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert_one_head_per_family(plain.decode())
    assert_one_head_per_family(openmetrics)
    families = {family.name: family for family in parse_strictly(openmetrics)}
    assert families["http_server_request_duration_seconds"].unit == "seconds"
    assert families["target"].type == "info"
    assert families["http_server_active_requests"].type == "gauge"
    # A gauge of the conventions that promtool would take for a part of a histogram.
    assert families["process_thread_count"].type == "unknown"
    for text in (plain.decode(), openmetrics):
        assert "otel_scope" not in text
        assert "_created" not in text
        assert '=""' not in text
        assert 'target_info{service_name="unknown_service:python",team="a b"' in text
