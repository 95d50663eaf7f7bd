"""The commands that explain: env, config, list, metrics, doctor, and what they leave behind."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monagent import catalogue, cli, cli_list, settings, where
from monagent.instrument import hooks
from tests.launch.oracle import BARE, Outcome, run


def command(*words: str, **environ: str) -> Outcome:
    """`monagent` with these words, in an environment of its own."""
    return run(BARE, [sys.executable, "-I", "-m", "monagent", *words], environ=environ)


def test_the_version_is_the_packages() -> None:
    """One number, in one place."""
    from monagent import __version__

    assert command("--version").stdout == f"monagent {__version__}\n".encode()


def test_wrong_words_show_the_usage_and_fail() -> None:
    """On stderr, behind the word that is wrong; asked for, it is on stdout and no failure."""
    wrong, asked = command("frobnicate"), command("--help")

    assert (wrong.code, wrong.stdout, asked.code, asked.stderr) == (2, b"", 0, b"")
    said, usage = wrong.stderr.split(b"\n", 1)
    assert said == (
        b"monagent: found 'frobnicate', expected one of run, env, config, list, metrics, doctor"
    )
    assert usage == asked.stdout


@pytest.mark.parametrize(
    ("word", "meant"), [("runn", "run"), ("docter", "doctor"), ("sh", "run sh …")]
)
def test_a_word_that_is_no_command_is_answered_with_what_was_meant(word: str, meant: str) -> None:
    """Misspelt, or the program itself without the `run` in front of it."""
    first = command(word).stderr.decode().splitlines()[0]

    assert first.endswith(f"; did you mean monagent {meant}?")


def test_every_command_helps() -> None:
    """doctor, which has the most to say, with words of its own; nothing is run."""
    for word in ("env", "config", "list", "metrics", "doctor", "run"):
        long, short = command(word, "--help"), command(word, "-h")

        assert long == short
        assert (long.code, long.stderr) == (0, b"")
        assert long.stdout.startswith(b"usage: monagent ")
    assert b"--seconds" in command("doctor", "--help").stdout


def test_every_option_is_in_the_help() -> None:
    """With its variable, its sentence and its default."""
    text = command("run", "--help").stdout.decode()

    for setting in settings.TABLE:
        if setting.option:
            assert f"  {setting.option}" in text
            assert f"({setting.name})" in text
            assert setting.sentence in text


@pytest.mark.parametrize("form", ["", "--shell", "--docker", "--kubernetes"])
def test_env_prints_what_adopts_a_program(form: str) -> None:
    """The bootstrap folder, and the options as variables."""
    words = ["env", *([form] if form else []), "--service-name", "my shop"]
    lines = command(*words).stdout.decode().splitlines()

    named = [line for line in lines if "PYTHONPATH" in line or "SERVICE_NAME" in line]
    assert len(named) == 2
    assert where.bootstrap() in " ".join(lines)
    assert any("my shop" in line for line in lines)


def test_env_for_kubernetes_is_yaml_that_it_reads_to_the_letter() -> None:
    """Beyond the first plane, and with what Kubernetes would take for a variable."""
    text = "a=\U0001f600$(B)$$c$d$"
    found = yaml.safe_load(command("env", "--kubernetes", "--labels", text).stdout)

    assert {"name": "MONAGENT_LABELS", "value": text.replace("$", "$$")} in found["env"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_env_says_the_bytes_of_a_value_whatever_is_thought_of_its_reader(encoding: str) -> None:
    """A shell that evaluates them wants no stand-ins; a name may be in any encoding."""
    name = b"K\xc3\xa4se \xff"
    said = run(
        BARE,
        [sys.executable, "-m", "monagent", "env", "--shell"],
        environ={"PYTHONIOENCODING": encoding, "MONAGENT_SERVICE_NAME": os.fsdecode(name)},
    )

    assert b"export MONAGENT_SERVICE_NAME='" + name + b"'\n" in said.stdout


def test_env_for_a_shell_works_in_a_shell(tmp_path: Path) -> None:
    """Evaluated, it adopts what is started next, and keeps the user's PYTHONPATH behind."""
    code = "import sys; print('monagent.agent' in sys.modules, sys.path[1])"
    script = (
        f'eval "$({sys.executable} -I -m monagent env --shell --port 0 --exporter off)"\n'
        f'{sys.executable} -c "{code}"\n'
    )
    found = run(BARE, ["sh", "-c", script], environ={"PYTHONPATH": str(tmp_path)})

    assert found == Outcome(0, f"True {tmp_path}\n".encode(), b"")


def test_config_says_value_and_origin() -> None:
    """Variables, twins, options and defaults; a wrong one makes it fail."""
    found = command(
        "config", "--json", "--port", "5", OTEL_SERVICE_NAME="shop", MONAGENT_STRICT="perhaps"
    )
    report = json.loads(found.stdout)
    rows = {row["name"]: (row["value"], row["origin"]) for row in report["settings"]}

    assert found.code == 1
    assert rows["MONAGENT_PORT"] == (5, "--port")
    assert rows["MONAGENT_SERVICE_NAME"] == ("shop", "OTEL_SERVICE_NAME")
    assert rows["MONAGENT_HOST"] == ("127.0.0.1", "default")
    assert len(report["problems"]) == 1
    assert command("config").stdout.count(b"\n") == len(settings.TABLE)


def test_config_has_the_table_for_readers() -> None:
    """Every setting is a row, with its option and its OpenTelemetry twin."""
    table = command("config", "--markdown").stdout.decode()

    for setting in settings.TABLE:
        assert f"| `{setting.name}`" in table
        assert all(f"`{name}`" in table for name, _ in setting.twins)


def test_config_shows_no_secrets() -> None:
    """Headers of a receiver hold its token."""
    found = command("config", OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc")

    assert b"authorization" in found.stdout
    assert b"abc" not in found.stdout


def test_list_has_every_integration_on_disk() -> None:
    """With its state by settings and by what is installed."""
    rows = json.loads(command("list", "--json", MONAGENT_FLASK="off").stdout)
    states = {row["library"]: row["state"] for row in rows}

    assert sorted(states) == sorted(hooks.on_disk())
    assert (states["flask"], states["sqlite3"]) == ("off", "on")


def test_list_asks_the_applications_python(tmp_path: Path) -> None:
    """An environment without the library says so, wherever monagent itself is installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True)
    python = str(tmp_path / "v" / "bin" / "python")
    rows = cli_list.table(settings.load({}), python)

    assert {row["state"] for row in rows if row["library"] in ("flask", "fastapi")} == {
        "not installed"
    }


def test_list_says_which_python_does_not_answer() -> None:
    """One that is not there, or is none."""
    for python in ("/no/such/python", "/bin/true", "/bin/false"):
        found = command("list", "--python", python)
        assert (found.code, found.stdout) == (2, b"")
        assert found.stderr.count(b"\n") == 1
        assert python.encode() in found.stderr


def declarations() -> int:
    """How many metrics the package's source declares at module level."""
    kinds = {"Counter", "UpDownCounter", "Histogram", "Gauge"}
    found = 0
    for file in Path(cli.__file__).parent.rglob("*.py"):
        if "demo" in file.parts:
            continue
        for line in ast.parse(file.read_text()).body:
            made = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
            if isinstance(made, ast.Call):
                called = made.func
                name = (
                    called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                )
                found += name in kinds
    return found


def test_metrics_lists_everything_that_conventions_and_exporter_declare() -> None:
    """Names, types and labels come from the declarations, so that the table cannot go stale."""
    rows = json.loads(command("metrics", "--json").stdout)
    table = command("metrics", "--markdown").stdout.decode()

    ours = [row for row in rows if row["family"] != "exporter"]
    assert len(ours) == declarations()
    assert [row["name"] for row in rows[len(ours) :]] == [one.name for one, _ in catalogue.added()]
    assert all(f"| `{row['name']}` |" in table for row in rows)
    assert all(row["help"].endswith(".") for row in rows)


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`monagent metrics | head -1`."""
    script = f"{sys.executable} -I -m monagent metrics | head -n 1 >/dev/null"

    assert run(BARE, ["sh", "-c", script]).stderr == b""


EXPLAINING = [
    *(["--help"], ["--version"], ["run", "--help"], ["env"], ["config"], ["list"], ["metrics"]),
    ["doctor", "--", "true"],
]


@pytest.mark.parametrize("words", EXPLAINING, ids=" ".join)
@pytest.mark.parametrize(
    ("stdout", "reason"), [("/dev/full", "No space left on device"), ("&-", "Bad file descriptor")]
)
def test_output_that_cannot_be_written_is_told_in_one_line(
    words: list[str], stdout: str, reason: str
) -> None:
    """And fails, as whoever goes on with that output has none."""
    script = f'exec "$@" >{stdout}'
    line = [sys.executable, "-I", "-m", "monagent", *words]

    assert run(BARE, ["sh", "-c", script, "sh", *line]) == Outcome(
        1, b"", f"monagent: cannot write to stdout: {reason}\n".encode()
    )


@pytest.mark.parametrize("words", [one for one in EXPLAINING if one != ["env"]], ids=" ".join)
def test_a_terminal_without_our_letters_gets_stand_ins_for_them(words: list[str]) -> None:
    """Usage, settings and doctor's report hold … and whatever a program was called."""
    found = run(
        BARE,
        [sys.executable, "-m", "monagent", *words],
        environ={"PYTHONIOENCODING": "ascii", "MONAGENT_SERVICE_NAME": "Käse"},
    )

    assert (found.code, found.stderr) == (0, b"")
    assert found.stdout.isascii()


def test_run_without_a_command_is_told_by_main(capfd: pytest.CaptureFixture[str]) -> None:
    """`monagent` alone shows what there is."""
    before = signal.getsignal(signal.SIGPIPE)
    code = cli.main([])

    assert code == 2
    assert "usage: monagent run" in capfd.readouterr().out
    assert signal.getsignal(signal.SIGPIPE) is before
    assert os.environ.get("MONAGENT_DIR") is None
