"""What the demonstration prints of times."""

from __future__ import annotations

from monagent.demo.exposition import parse
from monagent.demo.tables import render

EXPOSED = """
job_execution_total{job_type="send",status="success"} 4
job_execution_duration_seconds_bucket{job_type="send",status="success",le="0.1"} 3
job_execution_duration_seconds_bucket{job_type="send",status="success",le="0.5"} 4
job_execution_duration_seconds_bucket{job_type="send",status="success",le="+Inf"} 4
job_execution_duration_seconds_count{job_type="send",status="success"} 4
"""


def test_of_times_below_the_lowest_edge_nothing_more_is_said() -> None:
    """They may be anything down to nothing."""
    (row,) = [line.split("   ") for line in render(list(parse(EXPOSED))) if "send" in line]

    assert [cell.strip() for cell in row[-2:]] == ["< 100.0 ms", "420.0 ms"]
