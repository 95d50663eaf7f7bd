"""A Prometheus of the test's own, which scrapes one port of loopback every second."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port, listening
from tests.services._started import program, stop, until


@contextlib.contextmanager
def prometheus(target: int, folder: Path) -> Iterator[int]:
    """Scrapes 127.0.0.1:`target` as the job "sample" until the block ends; gives its own port."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n- {job_name: sample, scrape_interval: 1s, "
        f"static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}\n"
    )
    process = subprocess.Popen(
        [
            *(program("prometheus", "prometheus"), f"--config.file={config}"),
            *(f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listening(port), process, 90)
        yield port
    finally:
        stop(process)


def answer(port: int, query: str) -> dict[frozenset[tuple[str, str]], float]:
    """The query's values now, by their labels; empty as long as there are none."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            result = json.load(reply)["data"]["result"]
    except urllib.error.HTTPError as refusal:
        with refusal:
            if refusal.code != 503:  # It listens some time before it answers.
                raise
        return {}
    return {frozenset(one["metric"].items()): float(one["value"][1]) for one in result}
