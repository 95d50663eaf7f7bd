"""The machine that a result was measured on, without its name."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path

PACKAGES = (
    "monagent", "fastapi", "starlette", "uvicorn", "uvloop", "flask", "gunicorn",
    "prometheus-client", "prometheus-fastapi-instrumentator", "starlette-exporter",
    "opentelemetry-sdk",
    "opentelemetry-distro", "sqlalchemy", "psycopg", "requests", "httpx", "celery",
)  # fmt: skip


def describe() -> list[str]:
    """Lines of Markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    linux, python = platform.release().partition("-")[0], platform.python_version()
    return [
        f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}.",
        f"{os.cpu_count()} cores of {_processor()}, Linux {linux}, CPython {python}.",
        f"Load average at the end, this benchmark included: {os.getloadavg()[1]:.1f}.",
        f"{versions}.",
        "",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
