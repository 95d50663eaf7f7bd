"""monagent in a program: the composition root, the only file that knows all rooms.

`start` is called by the bootstrap in every adopted Python, before the program's first line. It
may cost a few milliseconds and imports nothing that the program could want to patch first.
"""

from __future__ import annotations

import atexit
import sys
from _thread import start_new_thread

from monagent import awaiting, guard, process_role, settings, tree, where
from monagent.integrations import _interpreter
from monagent.store.shard import Shard
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from types import ModuleType
    from typing import Any

    from monagent.instrument.status import Status
    from monagent.settings import Settings

WRONG_USAGE = 2

_state: list[str] = []
"""The tree's state directory once there is one."""

_served: list[int] = []
"""The process that has begun the exporter inside, and delivers at its end."""

# Taken now: gevent replaces them later, and what we wait for must not run its loop.
_UNPATCHED = (os.waitpid, start_new_thread)


def start(environ: MutableMapping[str, str]) -> None:
    """Start recording in this process, unless it is none that runs the application's code."""
    role = process_role.of(sys.orig_argv)
    if role == process_role.HELPER:
        return
    if role == process_role.FORKSERVER:
        # It preloads nothing of the application; what it forks never passes a bootstrap.
        os.register_at_fork(after_in_child=lambda: _start_guarded(environ))
        return
    _start(environ)


def ensure_exporter() -> None:
    """Replace a dead exporter, or begin the one inside; called every few seconds of recorded work.

    The latter not earlier, since it brings threads and asyncio into the program; the former also
    where something comes round by itself in an idle program.
    """
    # Who gave up root must not judge, and a wiped directory is the living exporter's to make anew.
    if (
        not _state
        or not os.access(_state[0], os.W_OK, effective_ids=True)
        or tree.exporter_runs(_state[0])
    ):
        return
    from monagent import spawn

    found = settings.current()
    if found.exporter == "thread":
        from monagent import exporter

        if exporter.serve_in_thread(_state[0], found) is not None:
            _served[:] = [os.getpid()]
    else:
        spawn.late(_state[0], {**os.environ, **settings.absolute(found)}, *_UNPATCHED)


def _start(environ: MutableMapping[str, str]) -> None:
    found = settings.current()
    guard.level = found.log_level
    directory, begun = None, False
    try:
        if found.kept:
            directory, begun = tree.find(found, environ, where.bootstrap())
    except Exception as error:
        guard.say(
            f"{tree.told(error)}; nothing is recorded by process {os.getpid()} and its children",
            "error",
        )
        environ["MONAGENT_ENABLED"] = "off"  # The children need not find that out again.
        return
    _explain(found, begun)
    _export(found, directory, environ)
    shard = Shard(directory, info(found))
    atexit.register(_stay)  # The last of all: what is registered first.
    atexit.register(shard.ending)
    if _state and found.delivers_at_the_end and _stays(found):
        _outlast(found, _state[0], shard)
    if _state and found.exporter == "thread":
        atexit.register(_finish, found, _state[0])  # After all that the program has registered.
    _interpreter.start(
        lambda: _record(found, shard),
        collections=found.library("runtime") != "off",
        endings=found.library("errors") != "off",
    )
    if sys.orig_argv or not _serves_from_c():
        awaiting.wait(lambda: _watch(found, shard, environ), found.adopt)
    else:
        _watch(found, shard, environ)


def _finish(found: Settings, path: str) -> None:
    """The program ends, with its exporter inside: what has been counted since the last one of those
    ended has still to be delivered, above all by a first process whose children alone recorded."""
    try:
        if _served == [os.getpid()] or not os.access(path, os.W_OK, effective_ids=True):
            return
        first, pulse = tree.is_first(path), sys.modules.get("monagent.metrics.pulse")
        if found.delivers_at_the_end:
            recorded = pulse is not None and pulse.due[0] > 0
            wanted = first or recorded or tree.was_cut_short(path)
        else:
            wanted = first and tree.somebody_recorded(path)
        if wanted:
            from monagent import exporter

            exporter.finish(path, found)
    except Exception as error:
        guard.failed("exporter", error)


def _stays(found: Settings) -> bool:
    """Whether the last numbers are to be waited for here: somebody says so, or a container ends
    with this process, and the exporter with it."""
    return os.getpid() == 1 if found.supervise is None else found.supervise


def _outlast(found: Settings, path: str, shard: Shard) -> None:
    """At the end, after all that the program has registered for then."""
    from monagent import ending

    def deliver() -> bool:
        from monagent import spawn

        spawn.late(path, {**os.environ, **settings.absolute(found)}, *_UNPATCHED)
        return True

    if found.exporter == "process":
        atexit.register(ending.outlast, path, shard, deliver)


def _start_guarded(environ: MutableMapping[str, str]) -> None:
    try:
        _start(environ)
    except BaseException as error:
        guard.failed("agent", error)


def _explain(found: Settings, first: bool) -> None:
    """Say what is wrong with the settings, in the tree's first process only."""
    if not first:
        return
    for line in settings.lines(found):
        guard.say(line)
    if found.problems and found.strict:
        guard.say("MONAGENT_STRICT is on: not started", "error")
        os._exit(WRONG_USAGE)  # SystemExit at this point would be reported as a crash of Python.


def _export(found: Settings, directory: str | None, environ: MutableMapping[str, str]) -> None:
    """Before our own shard and hooks: at this moment a fork still copies next to nothing."""
    if directory is None or found.exporter == "off":
        return
    _state[:] = [directory]
    if found.exporter == "process" and not tree.exporter_runs(directory):
        from monagent import spawn

        told = bool(found.closed or found.shut)
        spawn.early(directory, {**environ, **settings.absolute(found)}, told=told)


def _watch(found: Settings, shard: Shard, environ: MutableMapping[str, str]) -> None:
    """The first library that we know is being imported: load what records, and hook imports."""
    from monagent import dependencies
    from monagent.instrument import hooks, status
    from monagent.metrics.pulse import checks, idle_checks

    _record(found, shard)
    if _state:
        checks += [shard.check, ensure_exporter]
        if found.exporter == "process":  # A thread begins with what there is to serve.
            idle_checks.append(ensure_exporter)
    if found.library("runtime") != "off":
        checks.append(_interpreter.record)
        _interpreter.record()
    if found.library("errors") != "off":
        _interpreter.watch_ignored()
    dependencies.offer(where.site(environ))
    status.listeners.append(_tell_status)
    if found.strict:
        status.listeners.append(_insist)
    hooks.modes.append(found.library)
    hooks.install()
    if found.adopt:
        from monagent.integrations import _adopted

        _adopted.begin(found.adopt, _is_ours)


def _is_ours(name: str, kind: str, unit: str, scope: str) -> bool:
    from monagent import catalogue  # 7 ms, when the application makes its first metric.

    return catalogue.holds(name, kind, unit, scope)


def _record(found: Settings, shard: Shard) -> None:
    """Let what is declared record into this process's shard."""
    from monagent import metrics

    if guard.on_failure is None:
        guard.on_failure = _count_failure
        metrics.use(metrics.Recording(shard, found.series_limit, found.buckets))


def info(found: Settings) -> str:
    """What the shard tells about this process, as JSON."""
    from monagent import __version__

    version = "{}.{}.{}".format(*sys.version_info)
    flag, program = process_role.started(sys.orig_argv)
    return _json(
        {
            "python": version,
            "implementation": sys.implementation.name,
            "argv0": flag if flag == "-c" else os.path.basename(program) or "python",
            "monagent": __version__,
            "service_name": found.service_name or "",
            "resource": found.resource_attributes,
            "labels": found.labels,
        }
    )


def _stay() -> None:
    """Keep our modules whole: Python empties those in sys.modules at its end, while destructors of
    the program still call what is wrapped."""
    ours = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == ours]:
        del sys.modules[name]


def _json(value: object) -> str:
    """Text and dicts of text only: the json module would cost the program 2 ms."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(k)}: {_json(v)}" for k, v in value.items()) + "}"
    assert isinstance(value, str)
    return '"' + "".join(_letter(letter) for letter in value) + '"'


def _letter(letter: str) -> str:
    if " " <= letter <= "~" and letter not in '"\\':
        return letter
    number = ord(letter)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


def _insist(now: Status, _before: Status | None) -> None:
    """MONAGENT_STRICT: a library that a setting asks for has to be recorded."""
    from monagent.instrument import status

    found = settings.current()
    if found.asked(now.library) and now.state not in (status.ACTIVE, status.ADOPTED):
        guard.say(f"{now.library} is {now.state}: {now.reason}; MONAGENT_STRICT is on", "error")
        os._exit(WRONG_USAGE)


def _count_failure(component: str, _error: BaseException) -> None:
    from monagent.conventions import agent as counted

    counted.failed(component)


def _serves_from_c() -> bool:
    """uWSGI calls an application from C: it is replaced as soon as its module has run."""
    from monagent import uwsgi
    from monagent.instrument import hooks

    found = uwsgi.embeds()
    if found:
        from monagent.integrations import _uwsgi_application

        hooks.others.append(_application_of_uwsgi)
        _uwsgi_application.hear_of_files(_with_forks(_uwsgi_application.of_file))
    return found


def _application_of_uwsgi(name: str) -> Callable[[ModuleType], None] | None:
    from monagent.integrations import _uwsgi_application

    wanted = _uwsgi_application.wanted(name)
    return None if wanted is None else _with_forks(wanted)


def _with_forks(wanted: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    """What to do with a module that has run, and to hear of uWSGI's forks from then on."""
    from monagent import uwsgi

    def ran(module: ModuleType) -> None:
        wanted(module)
        uwsgi.hook_forks(_worker_of_uwsgi)

    return ran


def _worker_of_uwsgi(module: Any) -> None:
    from monagent.integrations import _uwsgi_workers

    _uwsgi_workers.begun(module)


def _tell_status(now: Status, before: Status | None) -> None:
    from monagent import uwsgi
    from monagent.conventions import agent as counted

    uwsgi.hook_forks(_worker_of_uwsgi)
    if before is not None:
        counted.instrumentation(before.library, before.version, before.state, before.reason, 0)
    counted.instrumentation(now.library, now.version, now.state, now.reason, 1)
