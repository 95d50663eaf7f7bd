"""pycurl: transfers over HTTP, of one handle and of a multi handle, with libcurl's own redirects.

What libcurl tells of a finished transfer is read with `getinfo`; no option or callback is touched.
So a call shows when it is over, never as active, under the method of its last step; of headers
only Retry-After is known. C types cannot be patched: subclasses take their places in the module.
"""

from __future__ import annotations

import sys
from weakref import WeakSet

from monagent.clock import perf_counter
from monagent.conventions._peers import of_url
from monagent.conventions.http_client import CALLS, Calls, calls_to, resent
from monagent.instrument import Library, substitute
from monagent.integrations._http_client import failed
from monagent.integrations._tornado_client import CURL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "pycurl",
    versions=">=7.45.4",
    records=("http_client",),
    covers="transfers over HTTP of handles and multi handles, redirects within, when they are over",
)

FACTS = (
    "EFFECTIVE_URL", "EFFECTIVE_METHOD", "TOTAL_TIME", "REDIRECT_COUNT", "RESPONSE_CODE",
    "RETRY_AFTER", "SIZE_UPLOAD", "SIZE_DOWNLOAD", "CONTENT_LENGTH_UPLOAD",
)  # fmt: skip
_facts: dict[str, Any] = {}

SCHEMES = ("http:", "https")
UNKNOWN_URL = "http://"
MALFORMED = 3
TIMED_OUT = 28
TORNADO = "tornado.curl_httpclient"
REFUSED = 7
BY_CALLBACK = (23, 26, 42)
"""Ended by what the application's own callback returned or raised."""

OS_ERRORS = {104: "connection_reset", 110: "connect_timeout", 111: "connection_refused"}
"""By errno of the system, where libcurl's number is one of several cases."""


@substitute("pycurl._pycurl", "Curl", optional=True)
@substitute("pycurl", "Curl")
def counting(base: Any) -> Any:
    def performing(method: Any) -> Any:
        def perform(self: Any, /) -> Any:
            try:
                note(self)
            except BaseException as error:
                failed("pycurl", error)
            try:
                result = method(self)
            except BaseException as error:
                try:
                    over(self, number_of(error), error)
                except BaseException as ours:
                    failed("pycurl", ours)
                raise
            try:
                over(self, 0)
            except BaseException as error:
                failed("pycurl", error)
            return result

        return looks(perform, method)

    class Curl(base):  # type: ignore[misc]  # its base is known at run time
        __slots__ = ()

        # C refuses arguments for its own class alone: it is asked for one of that.
        def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
            if cls is Curl and (args or kwargs):
                base(*args, **kwargs)
            return base.__new__(cls, *args, **kwargs)

    for name in ("perform", "perform_rb", "perform_rs"):
        if hasattr(base, name):
            setattr(Curl, name, performing(getattr(base, name)))
    return named(Curl, base)


@substitute("pycurl._pycurl", "CurlMulti", optional=True)
@substitute("pycurl", "CurlMulti")
def counting_many(base: Any) -> Any:
    class CurlMulti(base):  # type: ignore[misc]  # its base is known at run time
        __slots__ = ()

        # C reads its arguments for its own class alone: it is asked for one of that, to refuse what
        # it refuses, and what it would keep is done here.
        def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
            made = base.__new__(cls, *args, **kwargs)
            if cls is CurlMulti and (args or kwargs):
                base(*args, **kwargs).close()
                if kwargs.get("close_handles"):  # since 7.46
                    made._monagent_closes = WeakSet()
            return made

        def add_handle(self, /, *args: Any) -> Any:
            result = base.add_handle(self, *args)
            try:
                overdue(args[0])
                note(args[0])
                if hasattr(self, "_monagent_closes"):
                    self._monagent_closes.add(args[0])
            except BaseException as error:
                failed("pycurl", error)
            return result

        def remove_handle(self, /, *args: Any) -> Any:
            try:
                if args:
                    overdue(args[0])
            except BaseException as error:
                failed("pycurl", error)
            return base.remove_handle(self, *args)

        def close(self, /, *args: Any) -> Any:
            handles: list[Any] = []
            try:
                if hasattr(self, "_monagent_closes"):
                    handles += [one for one in self._monagent_closes if one.multi() is self]
            except BaseException as error:
                failed("pycurl", error)
            result = base.close(self, *args)
            for handle in handles:
                handle.close()
            return result

        def info_read(self, /, *args: Any) -> Any:
            found = base.info_read(self, *args)
            try:
                # Tornado's client counts its calls itself.
                frame = sys._getframe().f_back  # None in a thread that runs nothing else
                if frame is None or frame.f_globals.get("__name__") != TORNADO:
                    for handle in found[1]:
                        over_in_multi(handle, 0)
                    for handle, code, _ in found[2]:
                        over_in_multi(handle, code)
            except BaseException as error:
                failed("pycurl", error)
            return found

    for name in ("add_handle", "remove_handle", "close", "info_read"):
        looks(vars(CurlMulti)[name], getattr(base, name))
    return named(CurlMulti, base)


def over_in_multi(handle: Any, code: int) -> None:
    """As `over`. Within a callback libcurl tells nothing of a handle: then its transfer counts when
    it is taken out, or put in again."""
    try:
        over(handle, code)
    except constants()["error"]:
        handle._monagent_over = code


def overdue(handle: Any) -> None:
    """Count the transfer whose end was read within a callback, if one was."""
    if hasattr(handle, "_monagent_over"):
        code = handle._monagent_over
        del handle._monagent_over
        over_in_multi(handle, code)


def note(handle: Any) -> None:
    """A transfer begins."""
    handle._monagent_url = url_of(handle)


def over(handle: Any, code: int, error: BaseException | None = None) -> None:
    """A transfer has ended with this number of libcurl's, -1: with an error of the application."""
    info, facts = handle.getinfo, _facts or known()
    method = info(facts["EFFECTIVE_METHOD"]) or "GET"
    url = handle._monagent_url if hasattr(handle, "_monagent_url") else ""
    if "://" not in url:
        url = url_of(handle)  # By now it has guessed a scheme.
    if code == MALFORMED and not url:
        url = UNKNOWN_URL
    if url[:5].lower() not in SCHEMES:
        return
    calls = calls_of(url, method)
    calls.mem[0][calls.at] += 1.0
    seconds, status = info(facts["TOTAL_TIME"]), info(facts["RESPONSE_CODE"])
    further = info(facts["REDIRECT_COUNT"])
    challenges = further and challenged(handle, url, status, further)
    for number in range(further):
        resent(calls.peer, "auth" if number < challenges else "redirect")
    if code:
        broke(calls, code, handle, seconds, status, error)
        return
    now = perf_counter()
    if status >= 400 or (status and now > calls.look):
        after = info(facts["RETRY_AFTER"]) if "RETRY_AFTER" in facts else 0
        calls.heard(status, {"retry-after": str(after)} if after else {}, now)
    sent = int(info(facts["SIZE_UPLOAD"]))
    if sent and info(facts["CONTENT_LENGTH_UPLOAD"]) < 0:
        sent = -1  # Where nobody knew the length it counts the chunks' framing, too.
    calls[status](seconds, sent, int(info(facts["SIZE_DOWNLOAD"])))


def broke(
    calls: Calls, code: int, handle: Any, seconds: float, status: int, error: BaseException | None
) -> None:
    """A transfer has failed, maybe after the headers of its answer."""
    word = word_of(code, handle)
    answered = None if word == "too_many_redirects" else status or None
    if word is None and error is not None:
        calls.failed(seconds, error, answered)
    else:
        calls.failed_by(word or f"curl_{code}", seconds, answered)


def challenged(handle: Any, url: str, status: int, further: int) -> int:
    """How many of these further requests, all redirects to libcurl, answer one who asks who calls:
    one at least where that was not the end, and all where no redirect has led elsewhere."""
    names = constants()
    if not any(handle.getinfo(names[f"{whose}AUTH_AVAIL"]) for whose in ("HTTP", "PROXY")):
        return 0
    return further if url_of(handle) == url else int(status not in (401, 407))


def known() -> dict[str, Any]:
    """pycurl's numbers of facts; sizes are integers since 7.45.6."""
    given = constants()
    for name in FACTS:
        found = given.get(f"{name}_T") if name.endswith("LOAD") else None
        found = found or given.get(name)
        if found is not None:
            _facts[name] = found
    return _facts


def url_of(handle: Any) -> str:
    """What the handle is asked for, or where that has led; "" for what libcurl cannot read."""
    try:
        return handle.getinfo((_facts or known())["EFFECTIVE_URL"]) or ""
    except constants()["error"]:
        return ""


def calls_of(url: str, method: str) -> Calls:
    """The calls of this method to where this URL leads."""
    end = url.find("/", 8)  # behind https://
    key = (url if end < 0 else url[:end], method)
    try:
        return CALLS[key]
    except KeyError:
        return calls_to(of_url(url), method, key)


def word_of(code: int, handle: Any) -> str | None:
    """The word for libcurl's number; None: the error says it, or nobody."""
    if code == TIMED_OUT:
        connected = handle.getinfo(constants()["CONNECT_TIME"])
        return "read_timeout" if connected else "connect_timeout"
    if code in BY_CALLBACK:
        return "cancelled"
    word = CURL.get(code)
    if code == REFUSED or word == "connection_reset":
        system = handle.getinfo(constants()["OS_ERRNO"])
        return OS_ERRORS.get(system, "connection_error") if system else word
    return word


def constants() -> Any:
    """pycurl's names."""
    return vars(sys.modules["pycurl"])


def number_of(error: BaseException) -> int:
    """libcurl's number in what pycurl raises; -1 in any other error."""
    return int(error.args[0]) if isinstance(error, constants()["error"]) else -1


def looks(function: Any, original: Any) -> Any:
    """`function` with the name, text and signature of a C function."""
    function.__name__ = original.__name__
    function.__qualname__ = original.__qualname__
    function.__doc__ = original.__doc__
    function.__wrapped__ = original
    return function


def named(made: Any, base: Any) -> Any:
    """The class `made` with the name and text of its base."""
    made.__module__ = base.__module__
    made.__name__ = base.__name__
    made.__qualname__ = base.__qualname__
    made.__doc__ = base.__doc__
    return made
