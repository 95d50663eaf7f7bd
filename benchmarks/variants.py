"""The ways to run one program: bare, with monagent, with each peer."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monagent import where

SCRIPTS = Path(sysconfig.get_path("scripts"))


@dataclass(frozen=True, slots=True)
class Variant:
    """A row: its name, what stands before the command, what is added to the environment.

    `{port}` and `{folder}` in environment values become a free port and an own, empty folder.
    """

    name: str
    prefix: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.name.startswith("monagent")


SETTINGS = {
    "MONAGENT_PORT": "0",
    "MONAGENT_LOG_LEVEL": "warning",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "33554432",
    where.SITE: sysconfig.get_path("purelib"),
}
"""In the environment of every row, since requests goes through all of it at each call: what the
benchmark sets is no cost of monagent's, but what `monagent run` adds is, PYTHONPATH.  It adds
MONAGENT_SITE only where monagent runs from a checkout, as here.

A buffer at the top of glibc's heap is given back to the kernel, and asked for again, at each call;
one that lies below anything that lives is not. A row pays a tenth more by that or less, by chance:
https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

OTEL = {
    "OTEL_SERVICE_NAME": "bench",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "{port}",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
}

BARE = Variant("bare")
NOISE = Variant("bare again (noise)")
MONAGENT = Variant("monagent", (str(SCRIPTS / "monagent"), "run"))
PYTHON_ALONE = Variant(
    "monagent without its part in C",
    MONAGENT.prefix,
    {**MONAGENT.environ, "MONAGENT_NATIVE": "off"},
)
PROMETHEUS = Variant(
    "prometheus_client, multiprocess",
    environ={"BENCH_PEER": "prometheus_client", "PROMETHEUS_MULTIPROC_DIR": "{folder}"},
)
INSTRUMENTATOR = Variant(
    "prometheus-fastapi-instrumentator", environ={"BENCH_PEER": "instrumentator"}
)
STARLETTE_EXPORTER = Variant("starlette_exporter", environ={"BENCH_PEER": "starlette_exporter"})
OPENTELEMETRY = Variant(
    "opentelemetry-instrument", (str(SCRIPTS / "opentelemetry-instrument"),), OTEL
)
OPENTELEMETRY_TUNED = Variant(
    "opentelemetry-instrument, no span sampled",
    (str(SCRIPTS / "opentelemetry-instrument"),),
    {**OTEL, "OTEL_TRACES_SAMPLER": "always_off"},
)

FASTAPI = (
    BARE,
    MONAGENT,
    PYTHON_ALONE,
    INSTRUMENTATOR,
    NOISE,
    STARLETTE_EXPORTER,
    PROMETHEUS,
    OPENTELEMETRY_TUNED,
    OPENTELEMETRY,
)
WSGI = (BARE, MONAGENT, PYTHON_ALONE, PROMETHEUS, NOISE, OPENTELEMETRY_TUNED, OPENTELEMETRY)
# For Django, OpenTelemetry's instrumentor wants settings in a module that the environment names.
FEW = (BARE, MONAGENT, PROMETHEUS, NOISE)
ALONE = (BARE, MONAGENT, NOISE)
LIBRARY = (BARE, MONAGENT, NOISE, OPENTELEMETRY)
