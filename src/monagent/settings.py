"""The settings in force: read from the environment, checked, with where each value came from.

`current()` is what the program around us was started with; it is read once per process.
Wrong and unknown variables never raise: they are sentences in `problems`, and defaults apply;
what is only likely to be wrong is one in `remarks`.
"""

from __future__ import annotations

import os

from monagent import settings_file, where
from monagent.settings_kinds import (
    EDGES,
    MODE,
    PLAIN_MODE,
    SWITCH,
    Kind,
    expected,
    library_name,
    metric_name,
)
from monagent.settings_paths import PATHS, WEB_CONFIG, shut, unreadable
from monagent.settings_table import BUCKETS, PREFIX, TABLE, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = [
    "BUCKETS",
    "PREFIX",
    "SWITCH",
    "TABLE",
    "Setting",
    "Settings",
    "absolute",
    "current",
    "lines",
    "load",
    "use",
]

INTERNAL = ("MONAGENT_SITE",)
"""Set by monagent for its own children; nobody else needs to."""


class Settings:
    """One attribute per entry of the table, and the two families with a free part."""

    enabled: bool
    host: str
    port: int
    path: str
    mount: str | None
    dir: str | None
    exporter: str
    disable: tuple[str, ...]
    enable_only: tuple[str, ...]
    adopt: tuple[str, ...]
    excluded_urls: tuple[str, ...]
    http_paths: str
    http_path_patterns: tuple[str, ...]
    series_limit: int
    labels: dict[str, str]
    peer_services: tuple[tuple[str, str], ...]
    peer_limit: int
    service_name: str | None
    resource_attributes: dict[str, str]
    strict: bool
    log_level: str
    config: str | None
    web_config: str | None
    native: bool
    supervise: bool | None
    pushgateway: str | None
    textfile: str | None
    metrics_exporters: tuple[str, ...]
    otlp_endpoint: str | None
    otlp_headers: dict[str, str]
    otlp_protocol: str
    otlp_timeout: int
    otlp_compression: str
    otlp_certificate: str | None
    otlp_client_certificate: str | None
    otlp_client_key: str | None
    otlp_interval: int

    def __init__(self) -> None:
        self.modes: dict[str, str] = {}
        self.edges: dict[str, tuple[float, ...]] = {}
        self.problems: list[str] = []
        self.remarks: list[str] = []  # what may be meant so, and stops no strict start
        self.origins: dict[str, str] = {}
        self.places: dict[str, str] = {}  # of variables that the settings file sets: file:line
        self.told: str | None = None  # the state directory of the tree that this is part of
        self.closed = ""  # why the endpoint may not open: the file that has its password is lost
        self.shut = ""  # why it does not open yet: its web configuration file is wrong

    def library(self, name: str) -> str:
        """Mode of a library: on, off or otel. Its own variable beats the two lists."""
        key = library_name(name)
        mode = self.modes.get(key)
        if mode is not None:
            return mode
        if key in self.disable or "*" in self.disable:
            return "off"
        return "off" if self.enable_only and key not in self.enable_only else "on"

    def asked(self, name: str) -> bool:
        """Whether a setting names this library to be recorded, instead of just allowing it."""
        key = library_name(name)
        return self.modes.get(key, "off") != "off" or key in self.enable_only

    def buckets(self, metric: str, unit: str = "") -> tuple[float, ...] | None:
        """Edges set for a histogram (`http.server.request.duration`, `s`), or None."""
        if not self.edges:
            return None
        from monagent.settings_buckets import spellings  # Only who sets one pays for it.

        return next((self.edges[n] for n in spellings(metric, unit) if n in self.edges), None)

    @property
    def kept(self) -> bool:
        """Whether numbers go to files: without an exporter only if somebody named a place."""
        return self.exporter != "off" or self.dir is not None or self.told is not None

    @property
    def delivers_at_the_end(self) -> bool:
        """Whether somebody is to get the last numbers after the program has ended."""
        return bool(self.otlp_endpoint or self.pushgateway or self.textfile)


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from an environment, and from the file that it names.

    Empty variables count as unset, as OpenTelemetry has it.
    """
    settings = Settings()
    lines = settings_file.read(environ)
    if lines.values or lines.problems or lines.lost:
        given = {
            n: t
            for n, t in environ.items()
            if t.strip() and not settings_file.made_by_kubernetes(n, t)
        }
        settings.places = {n: at for n, at in lines.places.items() if n not in given}
        environ = {**_with_paths(lines), **given}
        _tell_lost(settings, lines.lost, environ)
        settings.problems += lines.problems
    for setting in TABLE:
        _set(settings, setting, environ)
    if settings.web_config and (fault := unreadable(settings.web_config)):
        settings.shut = _placed(settings, WEB_CONFIG) + shut(fault)
        settings.problems.append(settings.shut)
    settings.told = where.told(environ)
    for name in environ:
        if name.startswith(PREFIX) and name not in _KNOWN and environ[name].strip():
            _set_free(settings, name, environ[name].strip())
    for name, place in settings.places.items():
        if not name.startswith(PREFIX) and name not in _KNOWN and environ[name].strip():
            said = "found this variable, expected one that monagent reads; it is ignored"
            settings.problems.append(f"{place}: {name}: {said}")
    if settings.disable or settings.enable_only:
        _check_names(settings)
    if settings.otlp_endpoint:
        from monagent import settings_otlp  # Only who sets one pays for it.

        settings_otlp.check(settings)
    return settings


def lines(settings: Settings) -> list[str]:
    """What a start has to say of them, asked for once: all that is wrong, and what may be."""
    if settings.edges:
        from monagent import settings_buckets  # Names are compared where somebody is told.

        settings_buckets.check(settings)
    return settings.problems + settings.remarks


def absolute(settings: Settings, prefix: str = "") -> dict[str, str]:
    """The variables that name paths and begin so, as they hold in any working directory."""
    return {
        origin: os.path.abspath(getattr(settings, setting.attribute))
        for setting in TABLE
        if setting.kind in PATHS
        and (origin := settings.origins[setting.attribute]) != "default"
        and origin not in settings.places
        and origin.startswith(prefix)
    }


def current() -> Settings:
    """The settings of this process; what is set later in os.environ changes nothing."""
    if not _current:
        _current.append(load(os.environ))
    return _current[0]


def use(settings: Settings | None) -> None:
    """Make these the settings of this process; None reads the environment afresh."""
    _current[:] = [] if settings is None else [settings]


_TWINS = [name for setting in TABLE for name, _ in setting.twins]
_KNOWN = frozenset([setting.name for setting in TABLE] + _TWINS + list(INTERNAL))
_current: list[Settings] = []


def _with_paths(lines: settings_file.Lines) -> dict[str, str]:
    """What the file sets; its relative paths begin where it lies, whoever reads it."""
    values = dict(lines.values)
    for setting in TABLE:
        for name, kind in ((setting.name, setting.kind), *setting.twins):
            if kind in PATHS and values.get(name, "").strip():
                values[name] = os.path.join(lines.folder, values[name].strip())
    return values


def _tell_lost(settings: Settings, lost: list[str], environ: Mapping[str, str]) -> None:
    """Without the web configuration file that it may have named, the endpoint would be open."""
    opened = environ.get(WEB_CONFIG, "").strip()
    for sentence in lost:
        if not opened:
            sentence += f"; the endpoint stays closed, as {WEB_CONFIG} may be there"
            settings.closed = settings.closed or sentence
        settings.problems.append(sentence)


def _set(settings: Settings, setting: Setting, environ: Mapping[str, str]) -> None:
    value, origin = setting.default, "default"
    for name, kind in ((setting.name, setting.kind), *setting.twins):
        text = environ.get(name, "").strip()
        if not text or settings_file.made_by_kubernetes(name, text):
            continue
        parsed = _parsed(settings, name, kind, text, setting.default)
        if parsed is not _WRONG:
            value, origin = parsed, name
        break
    setattr(settings, setting.attribute, value)
    settings.origins[setting.attribute] = origin


def _set_free(settings: Settings, name: str, text: str) -> None:
    """MONAGENT_BUCKETS_<METRIC>, MONAGENT_<LIBRARY>, or a name that nobody knows."""
    if settings_file.made_by_kubernetes(name, text):
        return
    metric = metric_name(name[len(BUCKETS) :])
    if name.startswith(BUCKETS) and metric:
        edges = _parsed(settings, name, EDGES, text, "the metric's own")
        if isinstance(edges, tuple):
            settings.edges[metric] = edges
            settings.origins["buckets." + metric.lower()] = name
        return
    from monagent import settings_names  # Only who sets one pays for it.

    library = library_name(name[len(PREFIX) :])
    known = settings_names.libraries()
    if library in known:
        kind = MODE if library in settings_names.BACK_ENDS else PLAIN_MODE
        mode = _parsed(settings, name, kind, text, "on")
        if isinstance(mode, str):
            settings.modes[library] = mode
            settings.origins["library." + library] = name
        return
    names = [s.name for s in TABLE] + [PREFIX + library.upper() for library in known]
    meant = settings_names.nearest(name, [known for known in names if known.startswith(PREFIX)])
    hint = f", expected a known name; did you mean {meant}?" if meant else ", which nobody knows"
    if members := settings_names.FAMILIES.get(library):
        hint = ", expected a library's, as " + ", ".join(PREFIX + one.upper() for one in members)
    said = f"{name}: found this variable{hint}; it is ignored"
    settings.problems.append(_placed(settings, name) + said)


def _placed(settings: Settings, name: str) -> str:
    """What stands before a sentence about this variable: where the settings file has it."""
    return f"{settings.places[name]}: " if name in settings.places else ""


_WRONG = object()


def _parsed(settings: Settings, name: str, kind: Kind, text: str, default: object) -> object:
    try:
        return kind.parse(text)
    except ValueError as error:
        using = _shown(default)
        found = f"found {kind.found(text)}, expected {expected(kind, error)}"
        settings.problems.append(f"{_placed(settings, name)}{name}: {found}; using {using}")
        return _WRONG


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None or value in ((), {}) else str(value)


def _check_names(settings: Settings) -> None:
    """OpenTelemetry's list may name instrumentations that monagent lacks, ours may not."""
    from monagent import settings_names  # As above.

    known = settings_names.libraries()
    for attribute, more in (("disable", ("*",)), ("enable_only", ())):
        origin = settings.origins[attribute]
        if not origin.startswith(PREFIX):
            continue
        listed = getattr(settings, attribute)
        kept = tuple(name for name in listed if name in known or name in more)
        setattr(settings, attribute, kept)
        ignored = "it is ignored" + ("" if kept or more else ", and all libraries are recorded")
        for name in listed:
            if name not in kept:
                hint = settings_names.hint(name, known)
                settings.problems.append(
                    f"{_placed(settings, origin)}{origin}: found {name!r}, expected names that"
                    f" `monagent list` shows{hint}; {ignored}"
                )
