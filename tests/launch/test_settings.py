"""Settings: declared once, checked in one sentence, read from our variables before their twins."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from monagent import (
    options,
    settings,
    settings_paths,
)
from monagent.settings import load
from monagent.settings_kinds import alternatives

WRONG = {
    "MONAGENT_PORT": ("abc", "a number from 0 to 65535; using 9464"),
    "MONAGENT_ENABLED": ("maybe", "on or off; using on"),
    "MONAGENT_EXPORTER": ("daemon", "process, thread or off; using process"),
    "MONAGENT_PATH": ("metrics", "a path like /metrics, and not /healthz; using /metrics"),
    "MONAGENT_SERIES_LIMIT": ("0", "a number from 1 to 10000000; using 10000"),
    "MONAGENT_LABELS": ("a=1,b", "pairs like label=value separated by commas; using none"),
    "MONAGENT_PUSHGATEWAY": (
        "gateway:9091",
        "a URL that begins with http:// or https://; using none",
    ),
    "MONAGENT_HOST": ("é..x", "a host name or an address; using 127.0.0.1"),
    "MONAGENT_HTTP_PATHS": ("on", "off or normalise; using off"),
    "MONAGENT_HTTP_PATH_PATTERNS": (
        "/{rest:path}/x",
        "paths like /shops/{shop} or /files/{name:path} separated by commas; using none",
    ),
    "MONAGENT_EXCLUDED_URLS": (
        "good,bad(",
        "regular expressions separated by commas; using none",
    ),
    "MONAGENT_ADOPT": (
        "prometheus_client,statsd",
        "names out of otel, prometheus_client; using none",
    ),
    "MONAGENT_LOG_LEVEL": ("loud", "debug, info, warning, error or off; using info"),
    "MONAGENT_BUCKETS_X": ("1,1", "rising numbers separated by commas; using the metric's own"),
    "OTEL_EXPORTER_PROMETHEUS_PORT": ("70000", "a number from 0 to 65535; using 9464"),
    "OTEL_RESOURCE_ATTRIBUTES": ("a=%zz", "pairs like key=value separated by commas; using none"),
}

RIGHT: dict[str, tuple[dict[str, str], Any]] = {
    "enabled": ({"OTEL_SDK_DISABLED": "TRUE"}, False),
    "host": ({"MONAGENT_HOST": "[::1]", "OTEL_EXPORTER_PROMETHEUS_HOST": "x"}, "::1"),
    "port": ({"OTEL_EXPORTER_PROMETHEUS_PORT": "9000"}, 9000),
    "exporter": ({"MONAGENT_EXPORTER": "Thread"}, "thread"),
    "disable": (
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "aiohttp-client, x"},
        ("aiohttp_client", "x"),
    ),
    "excluded_urls": ({"OTEL_PYTHON_EXCLUDED_URLS": "healthz,^x/"}, ("healthz", "^x/")),
    "adopt": (
        {"MONAGENT_ADOPT": "Prometheus-Client, prometheus_client"},
        ("prometheus_client",),
    ),
    "http_paths": ({"MONAGENT_HTTP_PATHS": "Normalise"}, "normalise"),
    "http_path_patterns": (
        {"MONAGENT_HTTP_PATH_PATTERNS": "/shops/{shop}, /files/{name:path}"},
        ("/shops/{shop}", "/files/{name:path}"),
    ),
    "labels": ({"MONAGENT_LABELS": "team=core, tier=a=b"}, {"team": "core", "tier": "a=b"}),
    "resource_attributes": (
        {"OTEL_RESOURCE_ATTRIBUTES": "a=b%20c,d=%C3%A9%2C"},
        {"a": "b c", "d": "é,"},
    ),
    "service_name": ({"OTEL_SERVICE_NAME": "shop", "MONAGENT_SERVICE_NAME": " "}, "shop"),
    "peer_services": ({"MONAGENT_PEER_SERVICES": "*.x.com=x,y=z"}, (("*.x.com", "x"), ("y", "z"))),
    "otlp_endpoint": (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"},
        "http://c:4318/v1/metrics",
    ),
    "otlp_compression": ({"OTEL_EXPORTER_OTLP_COMPRESSION": "GZIP"}, "gzip"),
    "metrics_exporters": ({"OTEL_METRICS_EXPORTER": "console, otlp"}, ("console", "otlp")),
    "otlp_interval": ({"OTEL_METRIC_EXPORT_INTERVAL": "1000"}, 1000),
    "dir": ({"MONAGENT_DIR": "state"}, os.path.abspath("state")),
}


@pytest.mark.parametrize("url", ["http://c:4318", "http://c/", "https://[::1]:1/x//?y=1"])
def test_an_endpoint_for_metrics_alone_is_taken_as_it_is(url: str) -> None:
    """As OpenTelemetry has it; the one for all signals lacks the path."""
    found = load({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": url})

    assert (found.otlp_endpoint, found.problems) == (url, [])


@pytest.mark.parametrize("path", ["/", "/healthz", "/é", "/a b", "/a?b", "/a#b", "/a\x7f", "a"])
def test_metrics_are_at_a_path_that_can_be_asked_for(path: str) -> None:
    """The liveness answer would stand before the metrics; a client encodes other letters."""
    found = load({"MONAGENT_PATH": path, "MONAGENT_MOUNT": path})

    assert (found.path, found.mount, len(found.problems)) == ("/metrics", None, 2)


def test_every_setting_of_the_table_is_an_attribute_and_nothing_else() -> None:
    """The class says types to the checker, the table says everything else."""
    declared = [setting.attribute for setting in settings.TABLE]

    assert sorted(get_type_hints(settings.Settings)) == sorted(declared)
    assert len(set(declared)) == len(declared)


def test_every_setting_says_a_sentence() -> None:
    """They are the help of options and the table of the README."""
    for setting in settings.TABLE:
        assert setting.sentence[0].isupper() and setting.sentence.endswith(".")
        assert setting.name.startswith(("MONAGENT_", "OTEL_"))


def test_nothing_set_means_the_defaults() -> None:
    """And no problem, and every origin is the default."""
    found = load({})

    assert {s.attribute: getattr(found, s.attribute) for s in settings.TABLE} == {
        s.attribute: s.default for s in settings.TABLE
    }
    assert found.problems == []
    assert set(found.origins.values()) == {"default"}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_sentence_and_the_default(name: str) -> None:
    """It names the variable, what was found, what was expected and what is used."""
    value, expected = WRONG[name]

    assert load({name: value}).problems == [f"{name}: found {value!r}, expected {expected}"]


@pytest.mark.parametrize("attribute", RIGHT)
def test_a_right_value_is_read(attribute: str) -> None:
    """From our variable first, else from OpenTelemetry's; empty ones count as unset."""
    environ, expected = RIGHT[attribute]
    found = load(environ)

    assert getattr(found, attribute) == expected
    assert found.origins[attribute] in environ
    assert found.problems == []


def test_ours_comes_before_the_twin() -> None:
    """Whatever the twin says, even if it is wrong."""
    found = load({"MONAGENT_PORT": "1", "OTEL_EXPORTER_PROMETHEUS_PORT": "x"})

    assert (found.port, found.origins["port"], found.problems) == (1, "MONAGENT_PORT", [])


@pytest.mark.parametrize(
    ("exporters", "pushed"),
    [("", True), ("otlp", True), ("prometheus,otlp", True), ("none", False), ("console", False)],
)
def test_an_endpoint_that_is_there_for_traces_gets_no_metrics(exporters: str, pushed: bool) -> None:
    """Where OpenTelemetry's own variable says so."""
    found = load(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_METRICS_EXPORTER": exporters}
    )

    assert (found.otlp_endpoint is not None, found.delivers_at_the_end) == (pushed, pushed)
    assert found.problems == []


@pytest.mark.parametrize("protocol", ["grpc", "http/json"])
def test_by_a_protocol_that_monagent_lacks_nothing_is_pushed(tmp_path: Path, protocol: str) -> None:
    """A strict start goes on, as the variable may be there for the program's own telemetry; in the
    settings file it is monagent's. Where nothing would be pushed anyway, nothing is said."""
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}
    wrong = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    file = tmp_path / "monagent.conf"
    file.write_text(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}\n")
    said = (
        f"OTEL_EXPORTER_OTLP_PROTOCOL: found {protocol!r}, expected http/protobuf, by which alone"
        " monagent pushes; nothing is pushed to OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    found, filed = load({**asked, **wrong}), load({**asked, "MONAGENT_CONFIG": str(file)})

    assert (found.otlp_endpoint, found.delivers_at_the_end) == (None, False)
    assert (found.problems, found.remarks, settings.lines(found)) == ([], [said], [said])
    assert (filed.otlp_endpoint, filed.remarks) == (None, [])
    assert filed.problems == [f"monagent.conf:1: {said}"]
    for silent in (
        {},
        {**asked, "OTEL_METRICS_EXPORTER": "none"},
        {**asked, "MONAGENT_EXPORTER": "off"},
        {**asked, "MONAGENT_ENABLED": "off"},
        {**asked, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"},
    ):
        assert settings.lines(load({**wrong, **silent})) == []


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant() -> None:
    """Silence about a typo is the worst answer."""
    typo = load({"MONAGENT_PROT": "1"})
    unlike = load({"MONAGENT_WHATEVER_THIS_IS": "1"})

    assert " ".join(typo.problems) == (
        "MONAGENT_PROT: found this variable, expected a known name;"
        " did you mean MONAGENT_PORT?; it is ignored"
    )
    assert " ".join(unlike.problems) == (
        "MONAGENT_WHATEVER_THIS_IS: found this variable, which nobody knows; it is ignored"
    )


def test_what_kubernetes_sets_for_a_service_called_monagent_is_not_ours() -> None:
    """Every pod beside such a service has these."""
    found = load(
        {
            "MONAGENT_PORT": "tcp://10.0.0.1:9464",
            "MONAGENT_PORT_9464_TCP": "tcp://10.0.0.1:9464",
            "MONAGENT_PORT_9464_TCP_ADDR": "10.0.0.1",
            "MONAGENT_SERVICE_HOST": "10.0.0.1",
            "MONAGENT_SERVICE_PORT": "9464",
            "MONAGENT_SERVICE_PORT_METRICS": "9464",
        }
    )

    assert (found.port, found.problems) == (9464, [])


def test_options_mean_variables() -> None:
    """The command begins at the first word that is no option, or behind `--`."""
    words = ["--port", "0", "--disable=redis,celery", "--strict", "--host", "::", "app", "--port"]

    assert options.split(words) == (
        {
            "MONAGENT_PORT": "0",
            "MONAGENT_DISABLE": "redis,celery",
            "MONAGENT_STRICT": "on",
            "MONAGENT_HOST": "::",
        },
        ["app", "--port"],
    )
    assert options.split(["--supervise", "--", "--odd"]) == (
        {"MONAGENT_SUPERVISE": "on"},
        ["--odd"],
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prot", "1"], "found the option --prot, expected a known one; did you mean --port?"),
        (["--port", "x"], "--port: found 'x', expected a number from 0 to 65535"),
        (
            ["--config", "/no/such/file"],
            "--config: found '/no/such/file', expected the path of a file that exists",
        ),
        (["--port"], "--port: found no value, expected a number from 0 to 65535"),
        (["--host", "--port"], "--host: found no value, expected a host name or an address"),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(words: list[str], message: str) -> None:
    """Whoever typed it is looking at the terminal."""
    with pytest.raises(options.Wrong) as caught:
        options.split(words)

    assert str(caught.value) == message


def test_patterns_may_begin_with_flags() -> None:
    """As they may where each stands alone; in an alternative Python refuses them."""
    found = load({"MONAGENT_EXCLUDED_URLS": "x$,(?i)/Health,(?:a|b)c"})
    search = re.compile(alternatives(found.excluded_urls)).search

    assert found.problems == []
    assert [bool(search(path)) for path in ("/x", "/HEALTH", "/bc", "/X", "/b")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_file_for_the_numbers_replaces_nothing_but_a_regular_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the program's own output either, and a link to a file is as good as the file."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    master, device = os.openpty()
    wrong = {str(pipe): "a named pipe", os.ttyname(device): "a device", "/": "a directory"}
    wanted = "expected a regular file or a new name; using none"
    for path, found in wrong.items():
        [problem] = load({"MONAGENT_TEXTFILE": path}).problems
        assert problem == f"MONAGENT_TEXTFILE: found {path!r}, which is {found}, {wanted}"
    with file.open("w") as output, monkeypatch.context() as patched:
        assert load({"MONAGENT_TEXTFILE": str(link)}).textfile == str(link)
        patched.setattr(settings_paths, "OUTPUTS", (output.fileno(),))
        [problem] = load({"MONAGENT_TEXTFILE": str(link)}).problems
    os.close(master)
    os.close(device)

    assert "which is our own output" in problem
    with pytest.raises(options.Wrong, match=r"--textfile: found .*, which is a named pipe"):
        options.split(["--textfile", str(pipe)])
