"""Whatever fails inside monagent, tasks are sent, run and told as before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.celery.running import adopted, environment, running

SEND = """
import sabotaged
import jobs_app
results = [jobs_app.add.delay(n, n) for n in range(30)]
results += [jobs_app.flaky.delay(1), jobs_app.fail.delay(), jobs_app.soft.delay(True)]
for result in results:
    result.get(timeout=30, propagate=False)
print([result.state for result in results].count("SUCCESS"), results[-2].state)
"""


@pytest.mark.parametrize("error", ["error", "memory", "other"])
def test_a_failing_monagent_changes_no_result(error: str, redis_url: str, tmp_path: Path) -> None:
    """Every function raises, in client and worker; errors are counted, then all is switched off."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url, SABOTAGE=error)
    command = adopted("-m", "celery", "-A", "sabotaged", "worker", "-l", "INFO", "-c", "2")
    with running(command, environ, tmp_path, ready="ready.") as run:
        done = subprocess.run(
            adopted("-c", SEND),
            env=environ,
            cwd=tmp_path,
            timeout=90,
            check=True,
            capture_output=True,
        )
        counted = run.counted()
        said = run.output.read_text()

    assert done.stdout == b"32 FAILURE\n"
    assert counted.total("monagent.errors", component="celery") >= 20
    # One line in each of three processes, and one more where it is switched off.
    assert said.count("monagent: celery") <= 4
    assert "celery failed 20 times and is switched off" in said
