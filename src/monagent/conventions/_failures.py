"""What went wrong with an outgoing call, in one word that is the same for every client.

A client wraps the error of the layer below it, some two or three deep, so the chain is read from
the outside until a class of it is specific: `error.type` of a refused connection is
`connection_refused` under requests, urllib3 and httpx.
"""

from __future__ import annotations

import errno

from monagent.conventions.http import error_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CANCELLED = "cancelled"
PROTOCOL = "protocol_error"
RETRIES = "retries_exhausted"
CONNECTION = "connection_error"
READ = "read_timeout"
TIMEOUT = "timeout"

# The first line that names a class of an error says its word; a class is named by its top-level
# package and its name, since modules move between versions. The order matters: http.client derives
# RemoteDisconnected from ConnectionResetError, urllib3 1.26 NewConnectionError from a timeout.
# Where all words of a chain are general, the one that comes first here is the call's.
_TABLE = """
cancelled asyncio.CancelledError trio.Cancelled greenlet.GreenletExit builtins.GeneratorExit
too_many_redirects requests.TooManyRedirects httpx.TooManyRedirects urllib.HTTPError
invalid_url requests.InvalidURL requests.MissingSchema requests.InvalidSchema
invalid_url httpx.InvalidURL httpx.UnsupportedProtocol urllib3.LocationValueError
invalid_url http.InvalidURL
proxy_error requests.ProxyError urllib3.ProxyError httpx.ProxyError
too_many_redirects aiohttp.TooManyRedirects
invalid_url aiohttp.InvalidURL aiohttp.NonHttpUrlClientError
proxy_error aiohttp.ClientProxyConnectionError aiohttp.ClientHttpProxyError
name_resolution_error socket.gaierror urllib3.NameResolutionError
name_resolution_error aiohttp.ClientConnectorDNSError aiodns.DNSError
connection_refused builtins.ConnectionRefusedError
server_certificate_invalid ssl.SSLCertVerificationError
tls_error ssl.SSLError urllib3.SSLError aiohttp.ServerFingerprintMismatch
pool_timeout urllib3.EmptyPoolError httpx.PoolTimeout httpcore.PoolTimeout monagent.PoolTimeout
connection_error urllib3.NewConnectionError
connect_timeout requests.ConnectTimeout urllib3.ConnectTimeoutError httpx.ConnectTimeout
read_timeout requests.ReadTimeout urllib3.ReadTimeoutError httpx.ReadTimeout
connect_timeout aiohttp.ConnectionTimeoutError
read_timeout aiohttp.ServerTimeoutError
write_timeout httpx.WriteTimeout
response_ended http.RemoteDisconnected http.IncompleteRead urllib3.IncompleteRead
response_ended botocore.IncompleteReadError
connection_reset builtins.ConnectionResetError builtins.ConnectionAbortedError
connection_reset builtins.BrokenPipeError
response_ended aiohttp.ServerDisconnectedError
decoding_error requests.ContentDecodingError urllib3.DecodeError httpx.DecodingError
retries_exhausted urllib3.ResponseError
timeout builtins.TimeoutError asyncio.TimeoutError requests.Timeout httpx.TimeoutException
protocol_error http.HTTPException urllib3.ProtocolError httpx.ProtocolError
protocol_error requests.ChunkedEncodingError requests.InvalidHeader
protocol_error aiohttp.HttpProcessingError aiohttp.ClientPayloadError
connection_error builtins.OSError requests.ConnectionError httpx.NetworkError
"""
_WORDS = tuple(
    (words[0], frozenset(words[1:])) for words in map(str.split, _TABLE.strip().splitlines())
)
_GENERAL = frozenset(("tls_error", CONNECTION, RETRIES, PROTOCOL, TIMEOUT))
"""What a client says of an error that the one within it may tell more of."""

# h11, urllib3 and aiohttp have one class for a wrong message and for one that stops short.
_ENDED = (
    "peer closed connection", "server disconnected", "response ended prematurely",
    "response payload is not completed",
)  # fmt: skip
_RESET = "connectionreseterror("  # aiohttp tells of it in its text alone
_REDIRECTS = "too many redirects"
_CONNECTING = "connection timeout"  # aiohttp before 3.10
_LOST = frozenset((errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE))

_FORKS = {"niquests": "requests", "urllib3_future": "urllib3"}

# The standard library has one class for all timeouts; functions that one has passed tell which.
_PHASES = {
    "create_connection": "connect_timeout",
    "do_handshake": "connect_timeout",
    "readinto": "read_timeout",
    "send": "write_timeout",
}
_SENDERS = frozenset(("http.client", "urllib3.backend.hface"))
"""Modules whose `send` writes to the socket; clients have others."""


def failure(error: BaseException) -> str:
    """The word for an error that a client raised; an unknown one's class, as `error.type` is."""
    try:
        return _word(error)
    except Exception:  # One of the application's, whose text or reason cannot be had.
        return error_type(error)


def _word(error: BaseException) -> str:
    chain = list(_chain(error))
    rows = [_row(found) for found in chain]
    if rows[0] is not None and _WORDS[rows[0]][0] == CANCELLED:
        return CANCELLED
    # One that was caught on the way is not what the call ended with.
    told = [row for row in rows if row is not None and _WORDS[row][0] != CANCELLED]
    if not told:
        return error_type(error)
    specific = (row for row in told if _WORDS[row][0] not in _GENERAL)
    return _closer(_WORDS[next(specific, min(told))][0], chain)


def _row(error: BaseException) -> int | None:
    """The first line of the table that names a class of this error."""
    names = _names(error)
    for row, (_, classes) in enumerate(_WORDS):
        if not classes.isdisjoint(names):
            return row
    return None


def _closer(word: str, chain: list[BaseException]) -> str:
    """Told apart by their text alone."""
    for found in chain:
        text = str(found).lower()
        if word == PROTOCOL and text.startswith(_ENDED):
            return "connection_reset" if _RESET in text else "response_ended"
        if word == RETRIES and text == _REDIRECTS:
            return "too_many_redirects"
        if word == CONNECTION and getattr(found, "errno", None) in _LOST:
            return "connection_reset"  # aiohttp's own class of OSError has taken its place
        if word == READ and text.startswith(_CONNECTING):
            return "connect_timeout"
        if word == TIMEOUT:
            word = _phase(found) or word
    return word


def _phase(error: BaseException) -> str | None:
    """What a timeout of the standard library has interrupted, if that can be told."""
    phase = None
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        name = frame.f_code.co_name
        if name != "send" or frame.f_globals.get("__name__") in _SENDERS:
            phase = _PHASES.get(name, phase)
        traceback = traceback.tb_next
    return phase


def _names(error: BaseException) -> set[str]:
    # httpx2 has the names of httpx.
    packages = [
        (found.__module__.partition(".")[0].lstrip("_").rstrip("2"), found.__name__)
        for found in type(error).__mro__
    ]
    names = {f"{_FORKS.get(package, package)}.{name}" for package, name in packages}
    if "requests.RequestException" in names:
        names.discard("builtins.OSError")  # It makes one of whatever goes wrong.
    return names


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps: by `from`, as an argument, or raised while handling it."""
    seen: list[BaseException] = []
    found = [error]
    while found and len(seen) < 20:
        one = found.pop(0)
        if one in seen:
            continue
        seen.append(one)
        yield one
        wrapped = (getattr(one, "reason", None), *one.args, one.__cause__)
        found.extend(part for part in wrapped if isinstance(part, BaseException))
        if one.__context__ is not None and _wraps(one, one.__context__):
            found.append(one.__context__)


def _wraps(error: BaseException, handled: BaseException) -> bool:
    """Whether the function that handled the one raised the other itself.

    What came of a further attempt, made while the first one's error was handled by a client or by
    the application that calls it, was raised elsewhere and tells nothing of that error.
    """
    caught, raised = handled.__traceback__, error.__traceback__
    if caught is None or raised is None:
        return True
    while raised.tb_next is not None:
        raised = raised.tb_next
    return raised.tb_frame is caught.tb_frame
