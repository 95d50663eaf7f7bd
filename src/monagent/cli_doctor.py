"""`monagent doctor`: what is recorded of a program, what is not, and why.

It runs a command for some seconds (to its end if that comes first), or looks at a running tree,
and reads everything from the endpoint, as Prometheus would.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import NoReturn

from monagent import cli_scrape, settings, settings_names, tree, where
from monagent.cli_scrape import Sample
from monagent.cli_verdict import UNTOUCHED, Verdict, judge, reached
from monagent.launcher import NOT_EXECUTABLE, NOT_FOUND
from monagent.settings_kinds import without_password

SECONDS = 10.0
LINGER = 5.0
GRACE = 10.0
USAGE = """\
usage: monagent doctor [--json] [--expect LIBRARY,…] [--seconds N] [--] COMMAND …
       monagent doctor [--json] [--expect LIBRARY,…] --attach [DIRECTORY|URL]

Runs COMMAND under monagent for N seconds (10), or to its end, or looks at a running program. Says
per library whether it is recorded, why not, and how much has been: operations of its kind of work,
which it may share with those that are named. The exit code is 1 when something asked for is
missing: a library of --expect, or anything that it and those record, a library of
MONAGENT_ENABLE_ONLY or of a variable of its own, or an answering endpoint. What the command prints
goes to stderr.

Another machine's password is part of the URL, as in https://user:password@host:9464/metrics; for
our own none is needed, since the numbers can be read from the directory."""


class Wrong(Exception):
    """The command line cannot be understood."""


@dataclass
class Asked:
    """The command line, understood."""

    json: bool = False
    attach: bool = False
    seconds: float = SECONDS
    expect: tuple[str, ...] = ()
    words: list[str] = field(default_factory=list)


@dataclass
class Seen:
    """What there was to see: the endpoint, whether it answered, what it asked us for (a password),
    and its samples."""

    endpoint: str = ""
    answered: bool = False
    asks: str = ""
    samples: list[Sample] = field(default_factory=list)
    exit_code: int | None = None
    problems: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """Print the verdict; 0 when everything asked for is there, 1 when not, 2 for wrong usage."""
    if arguments[:1] in (["--help"], ["-h"]):
        print(USAGE)
        return 0
    try:
        asked = understand(arguments)
        if not asked.attach and not asked.words:
            raise Wrong("expected a command or --attach")
        seen = attach(asked) if asked.attach else observe(asked)
    except Wrong as error:
        print(f"monagent doctor: {error}\n{USAGE}", file=sys.stderr)
        return 2
    found = settings.load(os.environ)
    settings.lines(found)
    off = not (found.enabled or asked.attach or seen.exit_code in (NOT_EXECUTABLE, NOT_FOUND))
    if off:
        switch = found.origins["enabled"]
        seen.problems[:] = [f"{switch} has switched monagent off: nothing is recorded"]
    elif not seen.answered and seen.exit_code is None:
        seen.problems.insert(0, f"the endpoint {seen.endpoint or '(none)'} does not answer")
    blind = off or (seen.problems and not seen.samples)
    verdict = Verdict() if blind else judge(seen.samples, found, asked.expect)
    problems = [*found.problems, *seen.problems, *verdict.problems]
    show(asked, seen, verdict, problems)
    return 1 if problems else 0


def understand(arguments: list[str]) -> Asked:
    """Raises Wrong with one sentence."""
    asked = Asked()
    words = list(arguments)
    while words and words[0].startswith("--"):
        word, equals, value = words.pop(0).partition("=")
        if word == "--":
            break
        if word in ("--expect", "--seconds") and not equals:
            if not words:
                raise Wrong(f"{word}: found no value")
            value = words.pop(0)
        if word == "--json":
            asked.json = True
        elif word == "--attach":
            asked.attach = True
        elif word == "--expect":
            asked.expect = tuple(name.strip() for name in value.split(",") if name.strip())
        elif word == "--seconds":
            asked.seconds = _seconds(value)
        else:
            raise Wrong(f"found the option {word}, expected a known one")
    asked.words = words
    known = settings_names.libraries()
    unknown = [name for name in asked.expect if name not in known]
    if unknown:
        shown = "expected names that `monagent list` shows" + settings_names.hint(unknown[0], known)
        raise Wrong(f"--expect: found {unknown[0]!r}, {shown}")
    return asked


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:  # not a number is not either
        raise Wrong(f"--seconds: found {text!r}, expected a number above 0")
    return seconds


def attach(asked: Asked) -> Seen:
    """Look at a program that runs already."""
    url, home = _running(asked.words)
    return look(Seen(), url, home)


def _running(words: list[str]) -> tuple[str, str]:
    """URL and state directory, "" where one is not known."""
    if len(words) > 1:
        raise Wrong(f"--attach: found {len(words)} words, expected a directory or a URL")
    named = words[0] if words else os.environ.get("MONAGENT_DIR") or where.told(os.environ) or ""
    if named.startswith(("http://", "https://")):
        return named, ""
    if named:
        if not os.path.isdir(named):
            raise Wrong(f"--attach: found {named!r}, expected a state directory or a URL")
        return tree.endpoint(named) or "", named
    found = cli_scrape.running()
    if len(found) == 1:
        home, url = next(iter(found.items()))
        return url, home
    if not found:
        raise Wrong("--attach: found no program with monagent that runs as this user")
    raise Wrong("--attach: found several, expected the directory of one: " + ", ".join(found))


def look(seen: Seen, url: str, home: str = "") -> Seen:
    """Scrape once; the last scrape that answered is the one that counts. Where the endpoint asks
    for what we have not, the numbers are those in the state directory `home`."""
    shown = without_password(url) if url else ""
    seen.endpoint = shown or seen.endpoint
    if not url:
        return seen
    try:
        try:
            seen.samples = cli_scrape.parse(cli_scrape.fetch(url, own=bool(home)))
        except cli_scrape.Closed as closed:
            seen.asks = str(closed)
            if home:
                seen.samples = cli_scrape.of_directory(home)
        seen.answered = True
        seen.problems.clear()  # Those of the moment before it listened.
    except (OSError, ValueError) as error:
        seen.problems[:] = [f"{shown}: {error}"]
    if seen.asks and not seen.samples:
        hint = " as in https://user:password@host" if "password" in seen.asks else ""
        seen.problems[:] = [f"{shown}: asks for {seen.asks}{hint}; nothing could be seen"]
    return seen


def observe(asked: Asked) -> Seen:
    """Run the command for a while, with its own port and directory, beside whatever else runs."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # Whoever ends us means the command too.
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _ended_by)
    with tempfile.TemporaryDirectory(prefix="monagent-doctor-") as home:
        state, last = os.path.join(home, "state"), os.path.join(home, "last.prom")
        options = ["--port", "0", "--dir", state, "--textfile", last, "--log-level", "warning"]
        environ = {**os.environ, "MONAGENT_EXPORTER": "process"}
        command = [sys.executable, "-m", "monagent", "run", *options, "--", *asked.words]
        process = subprocess.Popen(command, stdout=sys.stderr, env=environ)
        seen = Seen()
        try:
            _watch(process, asked.seconds, state, seen)
            if process.poll() is None:
                look(seen, tree.endpoint(state) or "", state)
            else:
                seen.exit_code = process.returncode
        finally:
            _end(process)
            _await_exporter(state)  # It would make its directory anew behind us.
        if seen.exit_code is not None:
            _read_last(last, state, seen)
    return seen


def _ended_by(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _watch(process: subprocess.Popen[bytes], seconds: float, state: str, seen: Seen) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        if not seen.answered and tree.endpoint(state):
            look(seen, tree.endpoint(state) or "", state)
        time.sleep(0.01)


def _read_last(last: str, state: str, seen: Seen) -> None:
    """The command ended by itself: its exporter has left the last numbers in a file."""
    try:
        with open(last, encoding="utf-8", newline="\n") as file:
            seen.samples = cli_scrape.parse(file.read())
    except OSError as error:
        reason = f"the last numbers did not arrive: {error.strerror}"
        seen.problems.append(reason if os.path.isdir(state) else "the command was not started")
        return
    seen.problems.clear()


def _await_exporter(state: str) -> None:
    """It ends with the command, and is told to where that has left somebody in the background."""
    for grace in (LINGER, GRACE):
        ends = time.monotonic() + grace
        while tree.exporter_runs(state) and time.monotonic() < ends:
            time.sleep(0.02)
        if grace == LINGER and (exporter := tree.exporter_pid(state)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(exporter, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def show(asked: Asked, seen: Seen, verdict: Verdict, problems: list[str]) -> None:
    """The report, as a table or as JSON."""
    if asked.json:
        report = {
            "endpoint": seen.endpoint,
            "answers": seen.answered,
            "asks_for": seen.asks,
            "series": len(seen.samples),
            "exit_code": seen.exit_code,
            "libraries": [vars(row) for row in verdict.rows],
            "problems": problems,
        }
        print(json.dumps(report, indent=2))
        return
    if seen.exit_code is not None:
        print(f"command   ended by itself with exit code {seen.exit_code}")
        print(f"exporter  delivered {len(seen.samples)} samples at the end")
    else:
        state = "answers" if seen.answered else "does not answer"
        if seen.asks:
            state += f", but asks for {seen.asks}"
        source = " in its directory" if seen.asks and seen.samples else ""
        amount = f"{len(seen.samples)} samples{source}"
        print(f"endpoint  {seen.endpoint or '(none)'}  {state}, {amount}")
    if not verdict.rows and seen.samples:
        known = "none that monagent knows was imported"
        print("libraries", known if reached(seen.samples) else UNTOUCHED)
    for row in verdict.rows:
        amount = f"{row.recorded:,.0f} recorded" if row.recorded else "nothing recorded yet"
        if row.recorded and row.beside:
            amount += f", together with {', '.join(row.beside)}"
        reason = f": {row.reason}" if row.reason else f", {amount}"
        print(f"{row.library} {row.version}".rstrip() + f"  {row.state}{reason}")
    for problem in problems:
        print(f"missing: {problem}")
    if not problems:
        print("everything asked for is there")
