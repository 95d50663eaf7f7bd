"""The file that MONAGENT_CONFIG names: variables a line, checked as those of the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from monagent.settings import load


def test_lines_set_what_the_environment_does_not(tmp_path: Path) -> None:
    """Comments, blanks and quotes are understood; the environment comes first."""
    text = "# ours\n\nMONAGENT_PORT=9100\nMONAGENT_SERVICE_NAME = 'the shop'\nMONAGENT_HOST=::1\n"
    file = tmp_path / "monagent.conf"
    file.write_text(text)
    found = load({"MONAGENT_CONFIG": str(file), "MONAGENT_PORT": "9200"})

    assert (found.port, found.service_name, found.host) == (9200, "the shop", "::1")
    assert found.problems == []


def test_libraries_and_buckets_can_be_set_in_the_file(tmp_path: Path) -> None:
    """The two families with a free part work there as well."""
    file = tmp_path / "monagent.conf"
    file.write_text("MONAGENT_FASTAPI=off\nMONAGENT_BUCKETS_JOB_WAIT_DURATION=1,2\n")
    found = load({"MONAGENT_CONFIG": str(file)})

    assert found.library("fastapi") == "off"
    assert found.buckets("job.wait.duration") == (1.0, 2.0)


def test_what_is_wrong_in_the_file_is_named_by_its_line(tmp_path: Path) -> None:
    """File and line, what was found, what was expected."""
    file = tmp_path / "monagent.conf"
    file.write_text("MONAGENT_PORT=abc\nport: 9464\nMONAGENT_PROT=1\n")
    found = load({"MONAGENT_CONFIG": str(file)})
    port = "expected a number from 0 to 65535"
    unknown = "found this variable, expected a known name; did you mean MONAGENT_PORT?"

    assert found.problems == [
        "monagent.conf:2: found 'port:…', expected a setting as MONAGENT_PORT=9464",
        f"monagent.conf:1: MONAGENT_PORT: found 'abc', {port}; using 9464",
        f"monagent.conf:3: MONAGENT_PROT: {unknown}; it is ignored",
    ]


def test_monagent_config_says_which_line_a_value_comes_from(tmp_path: Path) -> None:
    """`monagent config --config FILE` shows file and line as the origin."""
    file = tmp_path / "monagent.conf"
    file.write_text("\nMONAGENT_SERIES_LIMIT=500\nMONAGENT_FLASK=off\nMONAGENT_BUCKETS_X=1,2\n")
    done = subprocess.run(
        [sys.executable, "-m", "monagent", "config", "--config", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line for line in lines if "monagent.conf:" in line[-1]] == [
        ["MONAGENT_SERIES_LIMIT", "500", "(monagent.conf:2)"],
        ["MONAGENT_FLASK", "off", "(monagent.conf:3)"],
        ["MONAGENT_BUCKETS_X", "1.0,2.0", "(monagent.conf:4)"],
    ]
