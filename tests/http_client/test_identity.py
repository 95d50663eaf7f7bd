"""What is patched passes for what it was."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import pickle
import re
import subprocess
import sys
from typing import Any
from unittest import mock

import pytest

from tests.http_client.numbers import Numbers
from tests.http_client.server import Server

# Run once bare and once with hooks; what it prints must be the same.
TELLING = """
import inspect, json, sys
if sys.argv[1] == "hooked":
    from monagent.instrument import hooks
    hooks.install()
import contextlib, importlib
for name in sys.argv[2:]:
    with contextlib.suppress(ImportError):  # Some version has it.
        importlib.import_module(name.partition(":")[0])

def told(function):
    return [
        type(function).__name__, function.__name__, function.__qualname__, function.__module__,
        function.__doc__, str(inspect.signature(function)),
        # Of a decorated one it shows the decorator's (*args, **kwargs), which nobody can need.
        function.__name__ != "_error_catcher" and str(inspect.getfullargspec(function)),
        str(function.__annotations__),
        inspect.iscoroutinefunction(function), inspect.isgeneratorfunction(function),
        inspect.isasyncgenfunction(function),
    ]

found = {}
for name in sys.argv[2:]:
    module, _, path = name.partition(":")
    owner = sys.modules.get(module)
    for part in path.split("."):
        owner = getattr(owner, part, None)
    found[name] = told(owner) if inspect.isfunction(owner) else None
print(json.dumps(found))
"""


def test_every_patched_function_looks_as_before(numbers: Numbers) -> None:
    """Kind, name, docs, signature, annotations, of every target that these libraries have."""
    from monagent.instrument.targets import targets

    libraries = ["requests", "urllib3", "httpx", "httpcore", "httpx2", "httpcore2", "aiohttp"]
    for library in libraries:
        importlib.import_module(library)
    libraries += ["http", "urllib", "botocore", "aiobotocore", "websockets"]
    for module in ("http.client", "urllib.request", "aiobotocore.client", "websockets"):
        importlib.import_module(module)
    names = [repr(target) for library in libraries for target in targets[library]]
    assert len(names) > 20

    def told(mode: str) -> Any:
        command = [sys.executable, "-c", TELLING, mode, *names]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(re.sub(r" at 0x[0-9a-f]+", "", done.stdout))

    assert told("hooked") == told("bare")


def test_sessions_clients_and_answers_are_pickled_and_copied_as_before(
    numbers: Numbers, server: Server
) -> None:
    """After they have been used."""
    import httpx
    import requests

    with requests.Session() as session:
        session.headers["X-Mine"] = "1"
        answer = session.get(server.url("/ok"))
        twin = pickle.loads(pickle.dumps(session))
        assert twin.headers == session.headers
        with twin, copy.copy(session):
            assert twin.get(server.url("/ok")).text == "hello"
    kept = pickle.loads(pickle.dumps(answer))
    assert (kept.status_code, kept.content) == (200, b"hello")
    with httpx.Client(trust_env=False) as client:
        found = client.get(server.url("/ok"))
        with client.stream("GET", server.url("/chunked")) as streamed:
            streamed.read()
    for response in (found, streamed):
        again = pickle.loads(pickle.dumps(response))
        assert (again.status_code, again.content) == (200, response.content)
    assert pickle.loads(pickle.dumps(found.request)).url == found.request.url


def test_subclasses_that_override_and_call_up_count_once(numbers: Numbers, server: Server) -> None:
    """As every second company has."""
    import requests
    from requests.adapters import HTTPAdapter

    class Mine(requests.Session):
        def send(self, request: Any, **kwargs: Any) -> Any:
            return super().send(request, **kwargs)

    class Adapter(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            return super().send(request, *args, **kwargs)

    with Mine() as session:
        session.mount("http://", Adapter())
        session.get(server.url("/redirect/2"))

    assert numbers.outcomes() == {("GET", 200, None): 1}


def test_mocks_with_a_specification_work_as_before(numbers: Numbers) -> None:
    """`autospec` reads signatures and kinds."""
    import httpx
    import requests

    with mock.patch.object(requests.Session, "send", autospec=True) as send:
        send.return_value.status_code = 418
        with requests.Session() as session:
            prepared = requests.Request("GET", "http://host.example/").prepare()
            assert session.send(prepared).status_code == 418
            with pytest.raises(TypeError):
                session.send()  # type: ignore[call-arg]  # on purpose
    with mock.patch.object(httpx.AsyncClient, "send", autospec=True) as sending:
        answer: Any = sending(None, None)
        assert inspect.iscoroutine(answer)
        answer.close()

    assert numbers.outcomes() == {}


def test_the_applications_exception_comes_out_as_it_went_in(
    numbers: Numbers, server: Server
) -> None:
    """The same object, its traceback's tail, cause and context as without us."""
    import httpx

    class Mine(Exception):
        pass

    raised = Mine("as it was")

    def hook(response: Any) -> None:
        raise raised

    with httpx.Client(event_hooks={"response": [hook]}, trust_env=False) as client:
        with pytest.raises(Mine) as caught:
            client.get(server.url("/ok"))

    assert caught.value is raised
    assert caught.traceback[-1].name == "hook"
    assert (raised.__cause__, raised.__context__) == (None, None)
    assert list(numbers.outcomes().values()) == [1]


def test_a_request_body_stays_the_applications_object(numbers: Numbers, server: Server) -> None:
    """It is counted below, where nobody sees it."""
    import requests

    body = iter([b"a", b"b"])
    answer = requests.post(server.url("/upload"), data=body)
    sent: object = answer.request.body

    assert answer.text == "2"
    assert sent is body
