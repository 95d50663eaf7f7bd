"""The stack's files agree with each other and with the names that the code emits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monagent import cli_metrics, units
from monagent.exporter import naming, processes, selfmetrics
from monagent.store.reader import Instrument
from tests.services._started import program

DOCKER = Path(__file__).parents[2] / "docker"
DASHBOARDS = sorted((DOCKER / "grafana/dashboards").glob("*.json"))
FUNCTIONS = {"sum", "rate", "by", "le", "or", "vector", "histogram_quantile", "job"}


def names() -> set[str]:
    """Every sample name that the endpoint can show."""
    found = {"target_info"}
    for row in cli_metrics.catalogue():
        name = str(row["prometheus"])
        found |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if row["buckets"] else {name}
    for one in (*vars(processes).values(), *vars(selfmetrics).values()):
        if isinstance(one, Instrument):
            name = naming.family(one.name, one.kind, units.unit(one.unit))
            found.add(f"{name}_total" if one.kind == "counter" else name)
    return found


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_asks_only_for_metrics_that_exist(path: Path) -> None:
    """Every metric of every panel's expression is one that the code emits."""
    dashboard = json.loads(path.read_text())
    known = names()
    unknown = {}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", "", target["expr"])
            used = set(re.findall(r"[a-z_]{3,}", bare)) - FUNCTIONS
            if used - known:
                unknown[panel["title"]] = used - known

    assert unknown == {}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_explains_every_panel_and_covers_nothing_twice(path: Path) -> None:
    """Panels have descriptions that end with a full stop, and do not overlap."""
    panels = json.loads(path.read_text())["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert all(panel["description"].endswith(".") for panel in panels)
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_compose_mounts_only_what_is_there() -> None:
    """Each file or folder that a service mounts exists, and each named volume is declared."""
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    mounts = [mount for service in compose["services"].values() for mount in service["volumes"]]
    sources = {mount.split(":")[0] for mount in mounts}

    assert {name for name in sources if not name.startswith(".")} == set(compose["volumes"])
    assert all((DOCKER / path).exists() for path in sources if path.startswith("."))


def test_the_sample_is_adopted_by_environment_alone() -> None:
    """Neither its image nor its command names monagent; its environment does."""
    sample = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["sample"]
    image = (DOCKER / "sample/Dockerfile").read_text().split("\n\n", 1)[1]
    image = image.replace("src/monagent/demo/shop.py", "")

    assert "command" not in sample
    assert "entrypoint" not in sample
    assert "monagent" not in image
    assert sample["environment"]["PYTHONPATH"].endswith("monagent/bootstrap")


def test_an_installed_agent_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """By the init container of a later image; nothing of the old one is left."""
    target = tmp_path / "shared"
    target.mkdir()
    shutil.copy(DOCKER / "install.py", tmp_path / "install.py")
    for number in range(2):
        site = tmp_path / "site"
        shutil.rmtree(site, ignore_errors=True)
        site.mkdir()
        (site / f"part{number}").touch()
        command = [sys.executable, "-I", str(tmp_path / "install.py"), str(target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    assert (os.listdir(target), os.listdir(target / "site")) == (["site"], ["part1"])


def test_prometheus_accepts_its_configuration() -> None:
    """promtool finds nothing wrong."""
    promtool = program("promtool", "prometheus")
    config = str(DOCKER / "prometheus/prometheus.yml")
    done = subprocess.run([promtool, "check", "config", config], capture_output=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
