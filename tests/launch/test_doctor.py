"""monagent doctor: what is recorded of a program, what is not, and why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from monagent import cli_doctor, cli_scrape, tree
from monagent.cli_verdict import UNTOUCHED
from monagent.store import process
from tests.exporter.running import until
from tests.launch.oracle import BARE, DEADLINE, RUN, Outcome, environment, run

SQLITE = "import sqlite3; sqlite3.connect(':memory:').execute('select 1')"

LOOP = f"import time; {SQLITE}\nwhile True: time.sleep(0.1)"

NOBODY = "http://127.0.0.1:9"


def command(*words: str, environ: dict[str, str] | None = None) -> Outcome:
    """`monagent` with these words, in an environment of its own."""
    return run(BARE, [sys.executable, "-I", "-m", "monagent", *words], environ=environ)


def test_doctor_says_what_it_could_not_look_at(tmp_path: Path) -> None:
    """A command that is not there, a directory that is none, a library misspelt."""
    absent = command("doctor", "no-such-command")
    nowhere = command("doctor", "--attach", str(tmp_path / "nowhere"))
    misspelt = command("doctor", "--expect", "flsk", "true")

    assert (absent.code, nowhere.code, misspelt.code) == (1, 2, 2)
    assert absent.stdout.endswith(b"missing: the command was not started\n")
    assert b"nowhere', expected a state directory or a URL\n" in nowhere.stderr
    assert b"; did you mean 'flask'?\n" in misspelt.stderr


@pytest.mark.parametrize(
    ("words", "problems"),
    [
        (
            ("--attach", f"{NOBODY}/metrics"),
            [
                f"the endpoint {NOBODY}/metrics does not answer",
                f"{NOBODY}/metrics: <urlopen error [Errno 111] Connection refused>",
            ],
        ),
        (("no-such-command",), ["the command was not started"]),
    ],
)
def test_doctor_says_nothing_of_libraries_where_nobody_has_answered(
    words: tuple[str, ...], problems: list[str]
) -> None:
    """Neither that they are not imported, nor why."""
    found = command("doctor", "--json", "--expect", "sqlite3", *words)
    report = json.loads(found.stdout)

    assert (found.code, report["problems"], report["libraries"]) == (1, problems, [])


def test_doctor_runs_a_command_and_says_what_it_recorded() -> None:
    """A command of a moment, too: its last numbers are waited for."""
    found = command("doctor", "--json", "--expect", "sqlite3", "--", sys.executable, "-c", SQLITE)
    report = json.loads(found.stdout)
    rows = {row["library"]: (row["state"], row["recorded"]) for row in report["libraries"]}

    assert (found.code, report["exit_code"], report["problems"]) == (0, 0, [])
    assert rows == {"sqlite3": ("active", 1)}


def test_doctor_waits_for_nobody_whom_the_command_leaves_in_the_background() -> None:
    """An exporter that goes on for those is ended; what it had counts."""
    waits = "sh -c 'while :; do sleep 0.1; done'"
    left = f'{sys.executable} -c "{SQLITE}"; {waits} > /dev/null 2>&1 & echo $!'
    found = command("doctor", "--json", "--expect", "sqlite3", "--", "sh", "-c", left)
    child = int(found.stderr.split()[-1])
    try:
        environ = process.environ(child)
        report = json.loads(found.stdout)
    finally:
        os.kill(child, signal.SIGKILL)

    assert (found.code, report["exit_code"], report["problems"]) == (0, 0, [])
    assert not os.path.exists(environ["MONAGENT_DIR"])


def test_doctor_counts_operations_and_names_who_shares_them() -> None:
    """A driver's are those of its system; what two clients record cannot be told apart."""
    code = f"{SQLITE}; import psycopg, requests, urllib.request\n"
    code += "try: urllib.request.urlopen('http://127.0.0.1:9')\nexcept OSError: pass"
    found = command("doctor", "--json", "--expect", "psycopg", "--", sys.executable, "-c", code)
    report = json.loads(found.stdout)
    rows = {row["library"]: (row["recorded"], row["beside"]) for row in report["libraries"]}

    assert report["problems"] == ["psycopg is active, but nothing was recorded"]
    assert (rows["sqlite3"], rows["psycopg"]) == ((1, []), (0, []))
    assert rows["urllib"][0] == rows["requests"][0] == 1
    assert "requests" in rows["urllib"][1]


def test_doctor_fails_when_something_asked_for_is_not_there() -> None:
    """Not imported, switched off, or imported and never used."""
    cases = {
        "import sys": "flask is not imported: no process of the program imported it",
        "import sqlite3": "sqlite3 is active, but nothing was recorded",
    }
    for code, problem in cases.items():
        library = problem.split()[0]
        found = command("doctor", "--expect", library, "--", sys.executable, "-c", code)
        assert found.code == 1
        assert f"missing: {problem}\n" in found.stdout.decode()


def test_doctor_knows_a_program_that_cannot_be_recorded() -> None:
    """What ignores PYTHONPATH imports libraries that nobody sees."""
    line = [sys.executable, "-I", "-c", SQLITE]
    expecting, asking = (
        command("doctor", "--expect", "sqlite3", "--", *line),
        command("doctor", "--", *line),
    )

    assert (expecting.code, asking.code) == (1, 0)
    assert f"missing: sqlite3 is not imported: {UNTOUCHED}\n" in expecting.stdout.decode()
    assert f"libraries {UNTOUCHED}\n" in asking.stdout.decode()


@pytest.mark.parametrize(
    ("switch", "value"), [("MONAGENT_ENABLED", "off"), ("OTEL_SDK_DISABLED", "true")]
)
def test_doctor_names_what_has_switched_monagent_off(switch: str, value: str) -> None:
    """The command has run; one that does not exist has not."""
    ran, running, missing = (
        command("doctor", "--json", *words, environ={switch: value})
        for words in (
            ("--expect", "sqlite3", sys.executable, "-c", f"{SQLITE}; print('ran')"),
            ("--seconds", "1", sys.executable, "-c", LOOP),
            ("/no/such/command",),
        )
    )
    told = [f"{switch} has switched monagent off: nothing is recorded"]

    assert (ran.code, json.loads(ran.stdout)["problems"]) == (1, told)
    assert b"ran\n" in ran.stderr
    assert (running.code, json.loads(running.stdout)["problems"]) == (1, told)
    assert json.loads(missing.stdout)["problems"] == ["the command was not started"]


def test_doctor_watches_a_server_and_ends_it() -> None:
    """The command is ended after the seconds given; what it prints does not mix with the report."""
    code = "print('mine', flush=True)\n" + LOOP
    words = ["doctor", "--json", "--seconds", "6", "--", sys.executable, "-c", code]
    found = command(*words)
    report = json.loads(found.stdout)

    assert (found.code, report["answers"], report["exit_code"]) == (0, True, None)
    assert b"mine\n" in found.stderr


def test_doctor_looks_at_a_running_program(tmp_path: Path) -> None:
    """By its state directory; nothing of it is disturbed."""
    state = str(tmp_path / "state")
    words = ["run", "--port", "0", "--dir", state, "--", sys.executable, "-c", LOOP]
    program = subprocess.Popen(
        [sys.executable, "-I", "-m", "monagent", *words],
        env=environment(BARE),
        stderr=subprocess.DEVNULL,
    )
    try:
        found = command("doctor", "--json", "--expect", "sqlite3", "--attach", state)
        end = time.monotonic() + DEADLINE
        while found.code and time.monotonic() < end:
            found = command("doctor", "--json", "--expect", "sqlite3", "--attach", state)
        report = json.loads(found.stdout)
        assert program.poll() is None
    finally:
        program.terminate()
        program.wait(DEADLINE)

    assert (found.code, report["answers"]) == (0, True)
    assert [row["library"] for row in report["libraries"]] == ["sqlite3"]


def test_doctor_knows_the_libraries_of_processes_that_have_ended(tmp_path: Path) -> None:
    """Of a pool, say: what they recorded is still there, and so is who did."""
    state = str(tmp_path / "state")
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]])\ninput()"
    words = ["run", "--port", "0", "--dir", state, "--", sys.executable, "-c", code]
    program = subprocess.Popen(
        [sys.executable, "-I", "-m", "monagent", *words, f"{SQLITE}; print(flush=True)"],
        env=environment(BARE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout is not None
    try:
        program.stdout.readline()
        until(lambda: "\nmonagent_shards_folded_total 1.0" in served(state), "the fold")
        found = command("doctor", "--json", "--expect", "sqlite3", "--attach", state)
        report = json.loads(found.stdout)
    finally:
        program.communicate(b"\n", DEADLINE)
    rows = {row["library"]: (row["state"], row["recorded"]) for row in report["libraries"]}

    assert (found.code, rows["sqlite3"]) == (0, ("active", 1))


def served(state: str) -> str:
    """What the endpoint of this directory serves now, "" before it listens."""
    url = tree.endpoint(state)
    return cli_scrape.fetch(url) if url else ""


def test_doctor_finds_the_program_that_it_is_started_from() -> None:
    """Among others, and without a word: by what `monagent run` has told the program."""
    code = (
        "import sqlite3, subprocess, sys, time\n"
        "sqlite3.connect(':memory:').execute('select 1')\n"
        "asked = [sys.executable, '-I', '-m', 'monagent', 'doctor', '--expect', 'sqlite3']\n"
        f"code, end = 1, time.monotonic() + {DEADLINE / 2}\n"
        "while code and time.monotonic() < end:\n"
        "    code = subprocess.run([*asked, '--attach'], stdout=subprocess.DEVNULL).returncode\n"
        "sys.exit(code)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-I", "-m", "monagent", "run", "--port", "0", "sleep", "60"],
        env=environment(BARE),
        stderr=subprocess.DEVNULL,
    )
    try:
        found = run(RUN, [sys.executable, "-c", code])
    finally:
        other.terminate()
        other.wait(DEADLINE)

    assert found.code == 0, found.stderr


def test_doctor_says_how_it_wants_to_be_asked() -> None:
    """Unknown libraries, missing commands and unknown options are wrong usage."""
    for words in (
        [],
        ["--expect", "no_such", "x"],
        ["--loud"],
        ["--seconds", "x", "y"],
        ["--seconds", "nan", "y"],
    ):
        found = command("doctor", *words)
        assert (found.code, found.stdout) == (2, b"")


class Talking(BaseHTTPRequestHandler):
    """Says what it is asked for: a good exposition, one of another kind, no HTTP at all."""

    def do_GET(self) -> None:
        """Answers."""
        if self.path == "/nothing":
            self.wfile.write(b"SSH-2.0-x\r\n")
            return
        body = {"/good": GOOD.encode(), "/page": b"<a b={>", "/bytes": b"\xff"}[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


GOOD = (
    'monagent_instrumentation_info{library="sqlite3",reason="\u2028\r\x85",status="active"} 1.0\n'
)


def test_doctor_understands_any_endpoint_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values with every letter, and through no proxy; what is no exposition is told in a line."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Talking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    try:
        for url in (f"{here}/page", f"{here}/bytes", f"{here}/nothing", "http://[::1/", "http://"):
            seen = cli_doctor.look(cli_doctor.Seen(), url)
            assert (seen.answered, len(seen.problems)) == (False, 1)

        seen = cli_doctor.look(cli_doctor.Seen(problems=["not yet"]), f"{here}/good")
    finally:
        server.shutdown()
        server.server_close()

    assert (seen.answered, seen.problems) == (True, [])
    assert [sample.labels["reason"] for sample in seen.samples] == ["\u2028\r\x85"]


def test_an_exposition_is_read_to_the_letter() -> None:
    """Escapes, empty label sets, timestamps and infinities."""
    text = '# HELP a b\na 1\nb{x="q\\"\\\\\\n}",y=""} +Inf 12\nc{} 2.5\n'

    assert [(s.name, s.labels, s.value) for s in cli_scrape.parse(text)] == [
        ("a", {}, 1.0),
        ("b", {"x": 'q"\\\n}', "y": ""}, float("inf")),
        ("c", {}, 2.5),
    ]
