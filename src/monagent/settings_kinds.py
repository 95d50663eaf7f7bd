"""What a setting's text may look like: each kind says what it expects and turns text to a value.

A kind's `parse` raises ValueError for a wrong text; who asked names the variable and the default.
Where more can be said than what the kind expects it raises `Wrong`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Kind:
    """One shape of text: the sentence part after "expected", the parser, and how a wrong text is
    repeated after "found": what may be a secret is not."""

    __slots__ = ("expected", "found", "parse")

    def __init__(
        self,
        expected: str,
        parse: Callable[[str], object],
        found: Callable[[str], str] = repr,
    ) -> None:
        self.expected = expected
        self.parse = parse
        self.found = found


class Wrong(ValueError):
    """A text with a fault of its own: the message is the sentence part after "expected"."""


def expected(kind: Kind, error: ValueError) -> str:
    """What should stand where `kind` found that error."""
    return str(error) if isinstance(error, Wrong) else kind.expected


_ON = ("on", "1", "true", "yes")
_OFF = ("off", "0", "false", "no")


def parse_switch(text: str) -> bool:
    word = text.lower()
    if word not in _ON + _OFF:
        raise ValueError(text)
    return word in _ON


def parse_inverted(text: str) -> bool:
    """OTEL_SDK_DISABLED: only "true" means true there, and nothing else is an error."""
    return text.lower() != "true"


def parse_mode(text: str) -> str:
    """A library's mode: on, off or otel."""
    return "otel" if text.lower() == "otel" else parse_plain_mode(text)


def parse_plain_mode(text: str) -> str:
    """The mode of a library that monagent alone records: on or off."""
    return "on" if parse_switch(text) else "off"


def parse_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def parse_names(text: str) -> tuple[str, ...]:
    """Library names; `aiohttp-client`, `AioHTTP_client` are one name."""
    return tuple(library_name(item) for item in parse_list(text))


def library_name(text: str) -> str:
    return text.strip().lower().replace("-", "_").replace(".", "_")


def metric_name(text: str) -> str:
    """A metric's name as the name of a variable can have it: `shop.lead-time` is SHOP_LEAD_TIME."""
    return "".join(letter if letter.isalnum() else "_" for letter in text).upper()


def parse_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`a=1,b=2`, in the order written."""
    pairs = []
    for item in parse_list(text):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ValueError(item)
        pairs.append((key.strip(), value.strip()))
    return tuple(pairs)


def parse_labels(text: str) -> dict[str, str]:
    labels = dict(parse_pairs(text))
    for key in labels:
        if not key.isascii() or not key.replace("_", "a").replace(".", "a").isalnum():
            raise ValueError(key)
        if key[0].isdigit() or key.startswith("__"):
            raise ValueError(key)
        if _belongs_to_metrics(key.replace(".", "_")):
            raise Wrong(f"no label that metrics have themselves, as {key}")
    return labels


_RESERVED = ("le", "quantile", "error_type", "peer_service", "server_address", "server_port")
_NAMESPACES = (
    "cpython_",
    "db_",
    "graphql_",
    "http_",
    "otel_",
    "rpc_",
    "socketio_",
    "url_",
    "websocket_",
)


def _belongs_to_metrics(label: str) -> bool:
    """Whether it would speak where a metric leaves that label out, which means something: an
    `error_type` on everything would make every call a failure."""
    return label in _RESERVED or label.startswith(_NAMESPACES)


def parse_attributes(text: str) -> dict[str, str]:
    """OTEL_RESOURCE_ATTRIBUTES: pairs whose keys and values are percent-encoded."""
    return {_unquoted(key): _unquoted(value) for key, value in parse_pairs(text)}


def parse_edges(text: str) -> tuple[float, ...]:
    edges = tuple(float(item) for item in parse_list(text))
    finite = all(abs(edge) < float("inf") for edge in edges)
    if not edges or not finite or list(edges) != sorted(set(edges)):
        raise ValueError(text)
    return edges


def parse_patterns(text: str) -> tuple[str, ...]:
    """Regular expressions; a wrong one would fail at every request."""
    patterns = parse_list(text)
    import re  # Only who sets one pays for it.

    try:
        re.compile(alternatives(patterns))
    except (re.error, RecursionError, OverflowError):
        raise ValueError(text) from None
    return patterns


def alternatives(patterns: tuple[str, ...]) -> str:
    """One expression that finds what any of them finds; each may begin with flags, as (?i)."""
    return "|".join(_grouped(pattern) for pattern in patterns)


def _grouped(pattern: str) -> str:
    flags, bracket, rest = pattern.partition(")")
    if bracket and flags[:2] == "(?" and flags[2:].isalpha():
        return f"{flags}:{rest})"
    return f"(?:{pattern})"


def parse_metrics_path(text: str) -> str:
    """What a request can ask for as it stands, and what the endpoint does not answer already."""
    asked = text.isascii() and text.isprintable() and {" ", "?", "#"}.isdisjoint(text)
    if not text.startswith("/") or text in ("/", "/healthz") or not asked:
        raise ValueError(text)
    return text


def parse_routes(text: str) -> tuple[str, ...]:
    """`/shops/{shop}/items`; a parameter is a whole segment, and `{name:path}` stands last."""
    routes = parse_list(text)
    for route in routes:
        segments = route[1:].split("/")
        for number, segment in enumerate(segments, 1):
            if segment[:1] == "{" and segment[-1:] == "}":
                name = segment[1:-1]
                if number == len(segments):
                    name = name.removesuffix(":path")
                right = name.replace("-", "_").isidentifier()
            else:
                right = bool(segment) and {"{", "}", " "}.isdisjoint(segment)
            if not right or not route.startswith("/"):
                raise ValueError(route)
    return routes


def parse_url(text: str) -> str:
    scheme, colons, rest = text.partition("://")
    if scheme not in ("http", "https") or not colons or not rest.strip("/"):
        raise ValueError(text)
    netloc = rest
    for end in "/?#":
        netloc = netloc.partition(end)[0]
    port = netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port and not port.isdecimal():  # As where a password holds a slash.
        raise ValueError(text)
    return text.rstrip("/")


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    scheme, colons, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    return scheme + colons + netloc.rpartition("@")[2] + slash + path


def _found_url(text: str) -> str:
    """A wrong URL as it may be shown: its password may lie anywhere before the last @."""
    before, at, rest = text.rpartition("@")
    scheme, colons, _ = before.partition("://")
    return repr(f"{scheme if colons else ''}{colons}…@{rest}" if at else text)


def parse_headers(text: str) -> dict[str, str]:
    """Attributes that HTTP can send; one more line would be a header more."""
    headers = {key.strip(): value.strip() for key, value in parse_attributes(text).items()}
    for letter in "".join([*headers, *headers.values()]):
        if letter < " " or letter == "\x7f":
            raise ValueError(text)
    return headers


def _found_secret(text: str) -> str:
    return f"{len(text)} letters, not shown as they may be a secret"


def parse_receiver(text: str) -> str:
    """The OTLP endpoint for metrics, which the specification takes as it is."""
    parse_url(text)
    return text


def parse_otlp_base(text: str) -> str:
    """The OTLP endpoint for all signals lacks the path of the metrics one."""
    return parse_url(text) + "/v1/metrics"


def parse_host(text: str) -> str:
    if any(letter.isspace() or letter in "/@" for letter in text):
        raise ValueError(text)
    if not text.isascii():  # The codec takes 5 ms to load.
        text.encode("idna")
    return text.strip("[]")


def whole(low: int, high: int) -> Kind:
    """A whole number within bounds, both included."""

    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return Kind(f"a number from {low} to {high}", parse)


def choice(*words: str) -> Kind:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return Kind(", ".join(words[:-1]) + " or " + words[-1], parse)


def several(*words: str) -> Kind:
    """Any of these words, each once, in the order written; spelled as names of libraries are."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(parse_names(text)))
        if not set(names) <= set(words):
            raise ValueError(text)
        return names

    return Kind("names out of " + ", ".join(words), parse)


def _unquoted(text: str) -> str:
    """Percent-decoding without urllib, which loads a dozen modules into the application."""
    parts = text.split("%")
    raw = parts[0].encode()
    for part in parts[1:]:
        raw += bytes.fromhex(part[:2]) + part[2:].encode()
    return raw.decode("utf-8")


SWITCH = Kind("on or off", parse_switch)
MODE = Kind("on, off or otel", parse_mode)
PLAIN_MODE = Kind(SWITCH.expected, parse_plain_mode)
TEXT = Kind("text", str)
NAMES = Kind("names of libraries separated by commas", parse_names)
WORDS = Kind("words separated by commas", parse_list)
PATTERNS = Kind("regular expressions separated by commas", parse_patterns)
PAIRS = Kind("pairs like pattern=name separated by commas", parse_pairs)
LABELS = Kind("pairs like label=value separated by commas", parse_labels)
ATTRIBUTES = Kind("pairs like key=value separated by commas", parse_attributes)
EDGES = Kind("rising numbers separated by commas", parse_edges)
METRICS_PATH = Kind("a path like /metrics, and not /healthz", parse_metrics_path)
ROUTES = Kind("paths like /shops/{shop} or /files/{name:path} separated by commas", parse_routes)
HEADERS = Kind(ATTRIBUTES.expected, parse_headers, _found_secret)
URL = Kind("a URL that begins with http:// or https://", parse_url, _found_url)
RECEIVER = Kind(URL.expected, parse_receiver, _found_url)
HOST = Kind("a host name or an address", parse_host)
