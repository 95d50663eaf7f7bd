"""Names that settings name: libraries, histograms and labels, each of which must have an effect."""

from __future__ import annotations

import pytest

from monagent import catalogue, cli_list, options, settings, settings_buckets, settings_names
from monagent.exporter import naming
from monagent.instrument import targets
from monagent.settings import lines, load


def test_a_constant_label_is_none_that_metrics_have_themselves() -> None:
    """Those of histograms, and all of the conventions: without an error no `error_type` stands."""
    conventions = {label for _, metric in catalogue.declared() for label in metric.labels}
    dotted = {label for label in conventions if "." in label}
    for label in ("le", "quantile", *dotted, *map(naming.label, dotted)):
        found = load({"MONAGENT_LABELS": f"team=core,{label}=x"})

        assert found.labels == {}
        assert " ".join(found.problems) == (
            f"MONAGENT_LABELS: found 'team=core,{label}=x', expected no label that metrics have"
            f" themselves, as {label}; using none"
        )
    with pytest.raises(options.Wrong, match=r"as le$"):
        options.split(["--labels", "le=x"])


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "on"),
        ({"MONAGENT_DISABLE": "FASTAPI"}, "off"),
        ({"MONAGENT_ENABLE_ONLY": "fastapi"}, "on"),
        ({"MONAGENT_ENABLE_ONLY": "http"}, "off"),
        ({"MONAGENT_DISABLE": "*"}, "off"),
        ({"MONAGENT_DISABLE": "fastapi", "MONAGENT_FASTAPI": "otel"}, "otel"),
        ({"MONAGENT_FASTAPI": "0"}, "off"),
    ],
)
def test_a_library_is_switched_by_its_own_variable_before_the_lists(
    environ: dict[str, str], expected: str
) -> None:
    """The narrower wish wins."""
    found = load(environ)

    assert (found.library("fastapi"), found.problems) == (expected, [])


def test_a_list_names_libraries_that_exist() -> None:
    """Ours are checked; OpenTelemetry's may hold instrumentations that we lack."""
    ours = load({"MONAGENT_DISABLE": "starlete"})
    theirs = load({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "starlete"})

    assert " ".join(ours.problems) == (
        "MONAGENT_DISABLE: found 'starlete', expected names that `monagent list` shows;"
        " did you mean 'starlette'?; it is ignored"
    )
    assert theirs.problems == []


@pytest.mark.parametrize(
    ("listed", "mode", "told"),
    [
        ("sqlite3,sqlite4", "off", "'sqlite4'{}; did you mean 'sqlite3'?; it is ignored"),
        ("sqlite4", "on", "'sqlite4'{}; did you mean 'sqlite3'?; it is ignored, and all {}"),
        ("*", "on", "'*'{}; it is ignored, and all {}"),
    ],
)
def test_a_wrong_name_among_the_only_libraries_is_as_if_it_were_not_there(
    listed: str, mode: str, told: str
) -> None:
    """Where no other one is left the list is empty, which means all."""
    found = load({"MONAGENT_ENABLE_ONLY": listed})
    told = told.format(", expected names that `monagent list` shows", "libraries are recorded")

    assert (found.library("sqlite3"), found.library("flask")) == ("on", mode)
    assert found.problems == [f"MONAGENT_ENABLE_ONLY: found {told}"]


@pytest.mark.parametrize("family", settings_names.FAMILIES)
def test_a_family_of_metrics_is_no_name_of_a_library(family: str) -> None:
    """Nothing asks for it: taken as one it would switch nothing, or leave all libraries out."""
    libraries = settings_names.FAMILIES[family]
    variables = ", ".join(f"MONAGENT_{name.upper()}" for name in libraries)
    wanted = f"expected names that `monagent list` shows, as {', '.join(libraries)}"
    own = load({f"MONAGENT_{family.upper()}": "off"})
    only = load({"MONAGENT_ENABLE_ONLY": family})

    assert (own.modes, only.enable_only, only.library("flask")) == ({}, (), "on")
    assert " ".join(own.problems) == (
        f"MONAGENT_{family.upper()}: found this variable, expected a library's, as {variables};"
        " it is ignored"
    )
    assert load({"MONAGENT_DISABLE": family}).problems == [
        f"MONAGENT_DISABLE: found {family!r}, {wanted}; it is ignored"
    ]
    assert " ".join(only.problems) == (
        f"MONAGENT_ENABLE_ONLY: found {family!r}, {wanted}; it is ignored, and all libraries are"
        " recorded"
    )


@pytest.mark.parametrize("name", settings_names.libraries())
def test_a_library_has_the_mode_otel_where_an_instrumentor_may_record_it(name: str) -> None:
    """Of another one the mode would say nothing, and leave it recorded as before."""
    cli_list.libraries()  # They declare it.
    variable = f"MONAGENT_{name.upper()}"
    found = load({variable: "otel"})

    if name in targets.adoptions:
        assert (found.library(name), found.problems) == ("otel", [])
    else:
        assert (found.library(name), found.asked(name)) == ("on", False)
        assert found.problems == [f"{variable}: found 'otel', expected on or off; using on"]


def test_all_that_may_be_switched_has_an_effect() -> None:
    """Libraries, and the two that the agent asks for; of the families all others are named."""
    records = {library.name: library.records for library in cli_list.libraries()}
    recorded = {family for families in records.values() for family in families}
    named = {family: sorted(names) for family, names in settings_names.FAMILIES.items()}

    assert settings_names.libraries() == sorted([*records, "errors", "runtime"])
    assert load({"MONAGENT_ERRORS": "off", "MONAGENT_DISABLE": "runtime"}).problems == []
    assert set(named) == recorded - set(settings_names.libraries())
    for family, names in named.items():
        assert names == sorted(name for name in names if family in records[name])


def test_buckets_are_found_by_the_metrics_name() -> None:
    """What a variable's name cannot have is an underscore there: OpenTelemetry takes `.`, `-` and
    `/`, prometheus_client `:`."""
    found = load(
        {
            "MONAGENT_BUCKETS_HTTP_SERVER_REQUEST_DURATION": "0.1, 1,2.5",
            "MONAGENT_BUCKETS_SHOP_LEAD_TIME_A_B_C": "1",
        }
    )

    assert found.buckets("http.server.request.duration") == (0.1, 1.0, 2.5)
    assert found.buckets("shop.lead-time/a_b:c") == (1.0,)
    assert found.buckets("db.client.operation.duration") is None


def test_the_setting_names_the_metrics_whose_own_series_limit_is_lower() -> None:
    """Whoever raises it would wait for their series."""
    (said,) = [one.sentence for one in settings.TABLE if one.attribute == "series_limit"]
    lower = [(catalogue.exposed(m), m.limit) for _, m in catalogue.declared() if m.limit]

    assert lower
    for name, limit in lower:
        assert f"{name} {limit:,}" in said


def test_the_histograms_of_monagent_are_known_without_loading_what_declares_them() -> None:
    """With their units, under both names of each."""
    histograms = {m.name: m for _, m in catalogue.declared() if m.kind == "histogram"}

    assert dict(settings_buckets.HISTOGRAMS) == {n: m.unit for n, m in histograms.items()}
    for metric, unit in settings_buckets.HISTOGRAMS:
        shown = catalogue.exposed(histograms[metric]).upper()
        assert shown in settings_buckets.spellings(metric, unit)
        found = load({f"MONAGENT_BUCKETS_{shown}": "1"})
        assert (found.buckets(metric, unit), lines(found)) == ((1.0,), [])


def test_the_name_without_the_unit_comes_first() -> None:
    """Of the two ways to name a histogram; a unit that the name has itself is named once."""
    both = {
        "MONAGENT_BUCKETS_HTTP_SERVER_REQUEST_DURATION_SECONDS": "1",
        "MONAGENT_BUCKETS_HTTP_SERVER_REQUEST_DURATION": "2",
        "MONAGENT_BUCKETS_SHOP_LEAD_SECONDS": "3",
    }
    found = load(both)

    assert found.buckets("http.server.request.duration", "s") == (2.0,)
    assert found.buckets("shop.lead", "s") == found.buckets("shop_lead_seconds", "s") == (3.0,)
    assert (found.buckets("shop.lead", "ms"), found.buckets("shop.lead")) == (None, None)


@pytest.mark.parametrize(
    ("name", "hint", "alone", "adopting"),
    [
        (
            "HTTP_SERVER_REQUST_DURATION",
            "; did you mean MONAGENT_BUCKETS_HTTP_SERVER_REQUEST_DURATION?",
            "problems",
            "remarks",
        ),
        (
            "JOB_RUN_DURATION",
            "; did you mean MONAGENT_BUCKETS_JOB_WAIT_DURATION?",
            "remarks",
            None,
        ),
        ("ORDERS_VALUE", ", see `monagent metrics`", "remarks", None),
        ("HTTP_SERVER_REQUEST_DURATION", "", None, None),
    ],
)
def test_buckets_for_a_histogram_that_is_not_there_are_told(
    name: str, hint: str, alone: str | None, adopting: str | None
) -> None:
    """The program may have histograms of its own: only a typo is wrong, so that a strict start is
    refused, and where the program's are adopted any other name is taken for one of those."""
    variable = f"MONAGENT_BUCKETS_{name}"
    said = f"{variable}: found no histogram of monagent's by this name{hint}"
    for more, where in (({}, alone), ({"MONAGENT_ADOPT": "otel"}, adopting)):
        found = load({variable: "1", **more})
        told = lines(found)

        assert told == ([said] if where else [])
        assert where is None or getattr(found, where) == told
