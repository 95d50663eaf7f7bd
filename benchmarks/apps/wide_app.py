"""FastAPI hello world whose every worker also holds BENCH_LINES lines of histograms."""

from __future__ import annotations

import os

from benchmarks.apps import series
from benchmarks.apps.fastapi_app import app

series.monagent(max(1, int(os.environ["BENCH_LINES"]) // series.LINES_EACH))

__all__ = ["app"]
