"""gRPC under `monagent run`: what the endpoint shows, and servers of several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monagent.conventions import rpc
from monagent.integrations import _grpc, _grpc_client, _grpc_server
from tests import golden as goldens
from tests.e2e.command import running, until
from tests.recorded import counted
from tests.rpc import service
from tests.rpc.numbers import Numbers
from tests.rpc.service import KINDS, stub

ROOT = Path(__file__).parents[2]

ONE = """
import grpc
from tests.rpc import service
with service.threads() as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    service.stub(channel, "UnaryUnary")(b"ok")
    try:
        service.stub(channel, "UnaryUnary")(b"raise")
    except grpc.RpcError:
        pass
import time
time.sleep(60)
"""

# As gRPC asks for: children begin their servers after the fork, and share the port.
FORKED = """
import os
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        import grpc
        from tests.rpc import service
        with service.threads(options=[("grpc.so_reuseport", 1)]) as port:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                for _ in range(5):
                    service.stub(channel, "UnaryUnary")(b"ok")
        os._exit(0)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_names_and_labels_of_calls_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Every metric of the family, through the front door."""
    with running((sys.executable, "-c", ONE), tmp_path, cwd=ROOT) as run:
        until(lambda: run.text().count('status_code="UNKNOWN"') > 10, "both outcomes", 30)
        golden("grpc", run.text, "rpc_")


def test_servers_of_forked_workers_count_each_call_once(tmp_path: Path) -> None:
    """In two children, neither of which began gRPC before the fork."""
    environ = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-m", "monagent", "run", "--", sys.executable, "-c", FORKED]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        timeout=60,
        text=True,
    )

    assert done.stdout == "[0, 0]\n", done.stderr
    found = counted(tmp_path / "state")
    assert found.total("rpc.server.call.duration") == 10
    assert found.total("rpc.client.call.duration") == 10


@pytest.mark.swallows
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (rpc.Calls, "__init__"),
        (rpc.Calls, "__missing__"),
        (rpc, "served"),
        (_grpc_server, "ending"),
        (_grpc_server, "turned_away"),
        (_grpc_client, "calls_of"),
        (_grpc_client, "follow"),
        (_grpc, "peer_of"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_sabotaged_agent_changes_no_call(
    owner: Any, name: str, numbers: Numbers, monkeypatch: pytest.MonkeyPatch, swallowed: list[Any]
) -> None:
    """Every kind of call comes back as without us."""
    import grpc

    def broken(*_: Any, **__: Any) -> Any:
        raise MemoryError("sabotage")

    found = getattr(owner, name)
    for module in (owner, _grpc_client, _grpc_server):
        if getattr(module, name, None) is found:
            monkeypatch.setattr(module, name, broken)
    with service.threads() as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in KINDS:
            request = iter([b"ok"]) if method.startswith("Stream") else b"ok"
            answer = stub(channel, method)(request)
            assert (list(answer) if method.endswith("Stream") else answer) in (b"ok", [b"ok"] * 3)
        with pytest.raises(grpc.RpcError) as raised:
            stub(channel, "Nothing")(b"ok")
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED

    assert swallowed


@pytest.mark.parametrize(
    ("target", "address", "port"),
    [
        ("localhost:50051", "localhost", 50051),
        ("dns:///api.example:443", "api.example", 443),
        ("dns://8.8.8.8/api.example", "api.example", None),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", "10.0.0.1", 1),
        ("ipv6:[::1]:50051", "::1", 50051),
        ("[::1]:50051", "::1", 50051),
        ("unix:/run/socket", "unix", None),
        ("service", "service", None),
    ],
)
def test_a_channels_target_is_its_peer(
    target: str, address: str, port: int | None, numbers: Numbers
) -> None:
    """However it is written; a path of a socket is no address."""
    found = _grpc.peer_of(target.encode())

    assert (found.address, found.port) == (address, port)
