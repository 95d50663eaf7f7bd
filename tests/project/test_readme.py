"""The README says what is so: its tables come from the code, its commands print what it shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.command import until
from tests.ports import free_port, listening
from tests.project import readme

TEXT = readme.README.read_text()
FILE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
PORTS = ("8000", "9464")
MARK = "@@ next @@"


@dataclass
class Step:
    """A command of a block, and the lines that stand below it."""

    command: str
    expected: list[str] = field(default_factory=list)


def steps(block: str) -> list[Step]:
    """The commands of a console block."""
    found: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:]))
        else:
            found[-1].expected.append(line)
    return found


def test_every_table_is_as_the_code_has_it() -> None:
    """Settings, libraries, metrics and figures; `python -m tests.project.readme` writes them."""
    assert readme.filled(TEXT) == TEXT


def test_a_sentence_is_a_line() -> None:
    """No line of prose ends in the middle of a sentence and goes on in the next."""
    prose = re.sub(r"```.*?```|<!--.*?-->", "", TEXT, flags=re.DOTALL)
    broken = [
        line for line in prose.splitlines() if line and line[0].isalpha() and line[-1].isalpha()
    ]

    assert broken == []


@pytest.mark.parametrize("block", BLOCK.findall(TEXT), ids=lambda block: block.split("\n")[0][2:42])
def test_a_command_prints_what_the_page_says(block: str, tmp_path: Path) -> None:
    """Each block runs in a shell of its own; the ports are others, so that none is taken, and …
    stands for anything."""
    for name, content in FILE.findall(TEXT):
        (tmp_path / name).write_text(content)
    ports = {port: str(free_port()) for port in PORTS}
    for shown, port in ports.items():
        block = block.replace(shown, port)

    printed = _run(steps(block), ports, tmp_path)

    for step, lines in zip(steps(block), printed, strict=True):
        assert _matches(step.expected, lines), (step.command, lines)


def _run(steps: list[Step], ports: dict[str, str], folder: Path) -> list[list[str]]:
    """What each command printed; one that ends in & runs on, and is waited for until it serves."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + environ["PATH"]
    environ["MONAGENT_PORT"] = ports["9464"]
    output = folder / "printed"
    with output.open("wb") as sink:
        shell = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=sink, stderr=sink, cwd=folder, env=environ,
            text=True, start_new_session=True,
        )  # fmt: skip
    assert shell.stdin is not None
    try:
        for number, step in enumerate(steps, 1):
            if "/metrics | grep" in step.command:  # A server answers a moment before it counts.
                until(lambda asked=step: _tells(asked), step.command)  # type: ignore[misc]
            print(f"{step.command}\necho '{MARK}'", file=shell.stdin, flush=True)
            until(lambda n=number: output.read_text().count(MARK) >= n, step.command)  # type: ignore[misc]
            if step.command.endswith("&"):
                until(lambda: all(listening(int(port)) for port in ports.values()), step.command)
        shell.stdin.close()
        shell.wait(60)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    parts = [part.splitlines() for part in output.read_text().split(MARK + "\n")]
    for number, step in enumerate(steps):
        if step.command.endswith("&"):  # What it printed came when the shell was further on.
            late = [line for line in parts[number + 1] if line in step.expected]
            parts[number] += late
            parts[number + 1] = [line for line in parts[number + 1] if line not in late]
    return parts[: len(steps)]


def _tells(step: Step) -> bool:
    done = subprocess.run(
        ["sh", "-c", step.command], stdout=subprocess.PIPE, check=False, text=True
    )
    return done.stdout.splitlines() == step.expected


def _matches(expected: list[str], lines: list[str]) -> bool:
    """Whether the lines are those expected, where … stands for any text, alone for any lines."""
    if "…" not in expected:
        # Two streams: what a program prints and what is said on stderr have no order.
        expected, lines = sorted(expected), sorted(lines)
    pattern = "\n".join(re.escape(line).replace("…", ".*") for line in expected)
    flags = re.DOTALL if "…" in expected else 0
    return re.fullmatch(pattern, "\n".join(lines), flags) is not None
