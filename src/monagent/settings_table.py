"""Every setting of monagent, declared once: name, kind, default, one sentence, OpenTelemetry twin.

An option of the command line (`--service-name`) is derived from the name and means the same.
Two families have a free part and stand below the table: MONAGENT_<LIBRARY>, MONAGENT_BUCKETS_….
"""

from __future__ import annotations

from monagent.settings_kinds import (
    ATTRIBUTES,
    HEADERS,
    HOST,
    LABELS,
    METRICS_PATH,
    NAMES,
    PAIRS,
    PATTERNS,
    RECEIVER,
    ROUTES,
    SWITCH,
    TEXT,
    URL,
    WORDS,
    Kind,
    choice,
    parse_inverted,
    parse_otlp_base,
    several,
    whole,
)
from monagent.settings_paths import OUTPUT, PATH, WEB_CONFIG


class Setting:
    """One declared setting; `twins` are other variables that set it when `name` does not."""

    __slots__ = ("attribute", "default", "kind", "name", "sentence", "twins")

    def __init__(
        self,
        attribute: str,
        name: str,
        kind: Kind,
        default: object,
        sentence: str,
        *twins: str | tuple[str, Kind],
    ) -> None:
        self.attribute = attribute
        self.name = name
        self.kind = kind
        self.default = default
        self.sentence = sentence
        self.twins = tuple((t, kind) if isinstance(t, str) else t for t in twins)

    @property
    def option(self) -> str | None:
        """`--service-name` for MONAGENT_SERVICE_NAME; OTEL_* settings have none."""
        prefix, _, rest = self.name.partition("MONAGENT_")
        return None if prefix or self.attribute == "enabled" else option_of(rest)


def option_of(name: str) -> str:
    return "--" + name.lower().replace("_", "-")


def _otlp(
    word: str, kind: Kind, default: object, sentence: str, common: Kind | None = None
) -> Setting:
    """One of OTLP, whose twin, of kind `common`, is for all signals."""
    exporter = "OTEL_EXPORTER_OTLP_"
    twin = f"{exporter}{word}", common or kind
    return Setting(
        f"otlp_{word.lower()}", f"{exporter}METRICS_{word}", kind, default, sentence, twin
    )


PROTOCOL = "http/protobuf"

TABLE = (
    Setting(
        "enabled",
        "MONAGENT_ENABLED",
        SWITCH,
        True,
        "Whether monagent does anything at all.",
        ("OTEL_SDK_DISABLED", Kind("true or false", parse_inverted)),
    ),
    Setting(
        "host",
        "MONAGENT_HOST",
        HOST,
        "127.0.0.1",
        "Address on which the metrics endpoint listens.",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
    ),
    Setting(
        "port",
        "MONAGENT_PORT",
        whole(0, 65535),
        9464,
        "Port of the metrics endpoint; 0 picks a free one and says which.",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    ),
    Setting("path", "MONAGENT_PATH", METRICS_PATH, "/metrics", "Path of the metrics."),
    Setting(
        "mount",
        "MONAGENT_MOUNT",
        METRICS_PATH,
        None,
        "Path on which the application's own port serves the metrics too (ASGI and WSGI).",
    ),
    Setting(
        "dir",
        "MONAGENT_DIR",
        PATH,
        None,
        "Directory of the numbers' files; by default one in shared memory per process tree.",
    ),
    Setting(
        "exporter",
        "MONAGENT_EXPORTER",
        choice("process", "thread", "off"),
        "process",
        "Who serves the numbers: a process of its own, a thread inside the program, or nobody.",
    ),
    Setting(
        "disable",
        "MONAGENT_DISABLE",
        NAMES,
        (),
        "Libraries to leave alone.",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    ),
    Setting(
        "enable_only",
        "MONAGENT_ENABLE_ONLY",
        NAMES,
        (),
        "The only libraries to record; empty means all.",
    ),
    Setting(
        "adopt",
        "MONAGENT_ADOPT",
        several("otel", "prometheus_client"),
        (),
        "Libraries by which the application keeps metrics of its own that are to be served too:"
        " otel, prometheus_client.",
    ),
    Setting(
        "excluded_urls",
        "MONAGENT_EXCLUDED_URLS",
        PATTERNS,
        (),
        "Incoming requests to URLs that one of these patterns finds are not recorded.",
        "OTEL_PYTHON_EXCLUDED_URLS",
    ),
    Setting(
        "http_paths",
        "MONAGENT_HTTP_PATHS",
        choice("off", "normalise"),
        "off",
        "What is the route of a WSGI or ASGI application without a framework: nothing, or its path"
        " with placeholders for ids and dates (normalise).",
    ),
    Setting(
        "http_path_patterns",
        "MONAGENT_HTTP_PATH_PATTERNS",
        ROUTES,
        (),
        "Routes that normalised paths are to have, like /shops/{shop} or /files/{name:path}.",
    ),
    Setting(
        "series_limit",
        "MONAGENT_SERIES_LIMIT",
        whole(1, 10_000_000),
        10_000,
        "Most series a metric may have, in one process log_messages_total 2,000 and errors_total"
        " 1,000 at most; further ones add up in one overflow series.",
    ),
    Setting(
        "labels",
        "MONAGENT_LABELS",
        LABELS,
        {},
        "Constant labels on every series but target_info; a metric's own label of that name stays.",
    ),
    Setting(
        "peer_services",
        "MONAGENT_PEER_SERVICES",
        PAIRS,
        (),
        "Names for the hosts a program calls, like *.payments.example=payments.",
    ),
    Setting(
        "peer_limit",
        "MONAGENT_PEER_LIMIT",
        whole(0, 100_000),
        100,
        "Most hosts without such a name that outgoing calls of one process are told apart by; the"
        " rest is other.",
    ),
    Setting(
        "service_name",
        "MONAGENT_SERVICE_NAME",
        TEXT,
        None,
        "Name of the service in target_info and in pushed metrics.",
        "OTEL_SERVICE_NAME",
    ),
    Setting(
        "resource_attributes",
        "OTEL_RESOURCE_ATTRIBUTES",
        ATTRIBUTES,
        {},
        "Further facts about the service, shown in target_info.",
    ),
    Setting(
        "strict",
        "MONAGENT_STRICT",
        SWITCH,
        False,
        "Refuse to start the program when a setting is wrong.",
    ),
    Setting(
        "log_level",
        "MONAGENT_LOG_LEVEL",
        choice("debug", "info", "warning", "error", "off"),
        "info",
        "Least severe line that monagent says on stderr.",
    ),
    Setting(
        "config",
        "MONAGENT_CONFIG",
        PATH,  # As that below, which it may name.
        None,
        "File of further settings, one a line as MONAGENT_PORT=9464; the same variable in the"
        " environment comes first.",
    ),
    Setting(
        "web_config",
        WEB_CONFIG,
        PATH,  # A missing one must close the endpoint, not open it without a password.
        None,
        "Prometheus web configuration file: TLS and basic authentication of the endpoint.",
    ),
    Setting(
        "native",
        "MONAGENT_NATIVE",
        SWITCH,
        True,
        "Record what is recorded most by the part that is in C, where it was built.",
    ),
    Setting(
        "supervise",
        "MONAGENT_SUPERVISE",
        SWITCH,
        None,
        "Stay until the program's last numbers are delivered, under `monagent run` as its parent;"
        " the default is on for the first process of a container that delivers at the end.",
    ),
    Setting(
        "pushgateway",
        "MONAGENT_PUSHGATEWAY",
        URL,
        None,
        "Pushgateway that gets the last numbers when the program has ended.",
    ),
    Setting(
        "textfile",
        "MONAGENT_TEXTFILE",
        OUTPUT,
        None,
        "Regular file that gets the last numbers when the program has ended.",
    ),
    Setting(
        "metrics_exporters",
        "OTEL_METRICS_EXPORTER",
        WORDS,
        (),
        "OpenTelemetry's list of metrics exporters; one without otlp, as none, switches OTLP off.",
    ),
    _otlp(
        "ENDPOINT",
        RECEIVER,
        None,
        "OTLP receiver to which metrics are pushed, full URL.",
        Kind(URL.expected, parse_otlp_base, URL.found),
    ),
    _otlp("HEADERS", HEADERS, {}, "Headers sent with every OTLP push."),
    _otlp(
        "PROTOCOL",
        choice(PROTOCOL, "http/json", "grpc"),
        PROTOCOL,
        "OTLP protocol; monagent pushes by http/protobuf, and where another one is set not at all.",
    ),
    _otlp(
        "TIMEOUT",
        whole(1, 3_600_000),
        10_000,
        "Milliseconds after which an OTLP push is given up.",
    ),
    _otlp(
        "COMPRESSION",
        choice("none", "gzip", "deflate"),
        "none",
        "How OTLP pushes are compressed.",
    ),
    _otlp(
        "CERTIFICATE",
        PATH,
        None,
        "File of the authorities that may vouch for the OTLP receiver, in PEM.",
    ),
    _otlp("CLIENT_CERTIFICATE", PATH, None, "File of our certificate for it, in PEM."),
    _otlp("CLIENT_KEY", PATH, None, "File of the key of that certificate, in PEM."),
    Setting(
        "otlp_interval",
        "OTEL_METRIC_EXPORT_INTERVAL",
        whole(1, 86_400_000),
        60_000,
        "Milliseconds between two OTLP pushes.",
    ),
)

BUCKETS = "MONAGENT_BUCKETS_"
"""MONAGENT_BUCKETS_HTTP_SERVER_REQUEST_DURATION=0.1,1: edges of that histogram."""

PREFIX = "MONAGENT_"
"""MONAGENT_REDIS=on|off|otel: the mode of that library."""
