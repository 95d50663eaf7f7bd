"""What went wrong with an outgoing call, in one word that is the same for every client.

A client wraps the error of the layer below it, some two or three deep, so the whole chain is read:
`error.type` of a refused connection is `connection_refused` under requests, urllib3 and httpx.
"""

from __future__ import annotations

import errno
import sys

from monagent.conventions.http import error_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CANCELLED = "cancelled"
PROTOCOL = "protocol_error"
RETRIES = "retries_exhausted"
CONNECTION = "connection_error"
READ = "read_timeout"

# The first line that names a class of the chain says the word; a class is named by its top-level
# package and its name, since modules move between versions. The order matters: http.client derives
# RemoteDisconnected from ConnectionResetError, urllib3 1.26 NewConnectionError from a timeout.
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
connection_reset builtins.ConnectionResetError builtins.ConnectionAbortedError
connection_reset builtins.BrokenPipeError
response_ended aiohttp.ServerDisconnectedError
decoding_error requests.ContentDecodingError urllib3.DecodeError httpx.DecodingError
retries_exhausted urllib3.ResponseError
protocol_error http.HTTPException urllib3.ProtocolError httpx.ProtocolError
protocol_error requests.ChunkedEncodingError requests.InvalidHeader
protocol_error aiohttp.HttpProcessingError aiohttp.ClientPayloadError
timeout builtins.TimeoutError asyncio.TimeoutError requests.Timeout httpx.TimeoutException
connection_error builtins.OSError requests.ConnectionError httpx.NetworkError
"""
_WORDS = tuple(
    (words[0], frozenset(words[1:])) for words in map(str.split, _TABLE.strip().splitlines())
)

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
}


def failure(error: BaseException) -> str:
    """The word for an error that a client raised; an unknown one's class, as `error.type` is."""
    try:
        return _word(error)
    except Exception:  # One of the application's, whose text or reason cannot be had.
        return error_type(error)


def _word(error: BaseException) -> str:
    chain = list(_chain(error))
    names = [_names(found) for found in chain]
    for word, classes in _WORDS:
        if word == CANCELLED:  # One that was caught on the way is not what the call ended with.
            if not classes.isdisjoint(names[0]):
                return word
            continue
        if any(not classes.isdisjoint(found) for found in names):
            return _closer(word, chain)
    return error_type(error)


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
        if word == "timeout":
            word = _phase(found) or word
    return word


def _phase(error: BaseException) -> str | None:
    """What a timeout of the standard library has interrupted, if that can be told."""
    phase = None
    traceback = error.__traceback__
    while traceback is not None:
        phase = _PHASES.get(traceback.tb_frame.f_code.co_name, phase)
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
    outer = _frames()
    while found and len(seen) < 20:
        one = found.pop(0)
        if one in seen:
            continue
        seen.append(one)
        yield one
        wrapped = (getattr(one, "reason", None), *one.args, one.__cause__)
        found.extend(part for part in wrapped if isinstance(part, BaseException))
        context = one.__context__
        # An error that the application was handling when it made the call is none of the call's:
        # its traceback begins in a frame that called us.
        if context is not None and (
            context.__traceback__ is None or id(context.__traceback__.tb_frame) not in outer
        ):
            found.append(context)


def _frames() -> set[int]:
    frames = set()
    frame = sys._getframe(1)
    while frame is not None:
        frames.add(id(frame))
        if frame.f_back is None:
            break
        frame = frame.f_back
    return frames
