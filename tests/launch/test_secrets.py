"""Passwords and headers among the settings: used, and never shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from monagent import options
from monagent.settings import load
from tests.launch.oracle import BARE, environment

URL = "expected a URL that begins with http:// or https://; using none"
HIDDEN = "letters, not shown as they may be a secret"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MONAGENT_PUSHGATEWAY", "me:SECRET@pg:9091", f"'…@pg:9091', {URL}"),
        ("MONAGENT_PUSHGATEWAY", "http://me:SEC/RET@pg:9091", f"'http://…@pg:9091', {URL}"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://me:SE@CRET@c", f"'grpc://…@c', {URL}"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "c:4318", f"'c:4318', {URL}"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Authorization: Bearer SECRET",
            f"28 {HIDDEN}, expected pairs like key=value separated by commas; using none",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
            "key=SECRET%0ASECRET",
            f"19 {HIDDEN}, expected pairs like key=value separated by commas; using none",
        ),
    ],
)
def test_a_wrong_setting_is_told_without_its_secret(name: str, value: str, told: str) -> None:
    """Start-up lines end in logs that many read."""
    assert load({name: value}).problems == [f"{name}: found {told}"]


def test_a_line_of_the_settings_file_is_told_without_what_it_says(tmp_path: Path) -> None:
    """Somebody's env file may be named by mistake."""
    file = tmp_path / "monagent.conf"
    file.write_text("DB_PASSWORD=SECRET\nexport OTEL_EXPORTER_OTLP_HEADERS=a=SECRET\nhello\n")
    found = load({"MONAGENT_CONFIG": str(file)})
    expected = "expected a setting as MONAGENT_PORT=9464"

    assert found.problems == [
        f"monagent.conf:1: found 'DB_PASSWORD=…', {expected}",
        f"monagent.conf:2: found 'export OTEL_EXPORTER_OTLP_HEADERS=…', {expected}",
        f"monagent.conf:3: found 'hello', {expected}",
    ]


def test_a_wrong_option_is_refused_without_its_secret() -> None:
    """The terminal may be a build's log."""
    with pytest.raises(options.Wrong) as caught:
        options.split(["--pushgateway", "me:SECRET@pg"])

    assert str(caught.value) == (
        "--pushgateway: found '…@pg', expected a URL that begins with http:// or https://"
    )


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_monagent_config_shows_no_secret(form: list[str]) -> None:
    """Where numbers go is told, and the names of headers."""
    done = subprocess.run(
        [sys.executable, "-m", "monagent", "config", *form],
        capture_output=True,
        text=True,
        check=True,
        env=environment(
            BARE,
            {
                "MONAGENT_PUSHGATEWAY": "https://me:SECRET@pg:9091/metrics/job@base64/YS9i",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "https://SECRET@c:4318",
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20SECRET",
            },
        ),
    )
    found = (
        {row["name"]: row["value"] for row in json.loads(done.stdout)["settings"]}
        if form
        else {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    )

    assert "SECRET" not in done.stdout
    assert found["MONAGENT_PUSHGATEWAY"] == "https://pg:9091/metrics/job@base64/YS9i"
    assert found["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] == "https://c:4318/v1/metrics"
    assert found["OTEL_EXPORTER_OTLP_METRICS_HEADERS"] in (
        "authorization=…",
        {"authorization": "…"},
    )
