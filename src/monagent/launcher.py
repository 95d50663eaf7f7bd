"""`monagent run [options] [--] COMMAND …`: the command, unchanged, in an environment with monagent.

The launcher becomes the command (exec), so pid, terminal, signals and exit code are those of the
command alone. It starts the exporter first and hands it the listening socket, already bound: the
line on stderr tells the truth, and no scrape is refused while the exporter starts.
"""

from __future__ import annotations

import os

from monagent import guard, options, settings, tree, where
from monagent.settings_paths import shut
from monagent.store import visitors
from monagent.store.directory import read_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping, MutableMapping

    from monagent.settings import Settings

WRONG_USAGE = 2
NOT_EXECUTABLE = 126
NOT_FOUND = 127

REFUSED = "MONAGENT_STRICT is on: not started"
SUPERVISE = "MONAGENT_SUPERVISE"


class Plan:
    """What is about to be run: the program's path and arguments, environment and settings.

    `given` are the variables that options stand for; `directory` is that of the tree which this
    begins, and whose exporter is ours to wait for.
    """

    __slots__ = ("argv", "directory", "environ", "given", "path", "settings")

    def __init__(
        self,
        path: str,
        argv: list[str],
        environ: dict[str, str],
        settings: Settings,
        given: Mapping[str, str],
    ) -> None:
        self.path = path
        self.argv = argv
        self.environ = environ
        self.settings = settings
        self.given = given
        self.directory: str | None = None


def main(arguments: list[str]) -> int:
    """Run the command in `arguments`; returns only when it cannot, or when it was supervised."""
    _end_by_interrupt()
    environ = dict(os.environ)
    _undo_locale_coercion(environ)
    try:
        given, argv = options.split(arguments)
    except options.Wrong as error:
        guard.say(str(error), "error")
        return WRONG_USAGE
    environ.update(given)
    found = settings.load(environ)
    settings.use(found)
    if found.enabled and found.exporter != "off":
        _check_web_config(found)
    guard.level = found.log_level
    for line in settings.lines(found):
        guard.say(line)
    if found.problems and found.strict:
        guard.say(REFUSED, "error")
        return WRONG_USAGE
    if not argv:
        guard.say("expected a command, like: monagent run python app.py", "error")
        return WRONG_USAGE
    path, code = resolve(argv[0], environ)
    if code:
        reason = "not found" if code == NOT_FOUND else "not executable"
        guard.say(f"{argv[0] or repr(argv[0])}: command {reason}", "error")
        return code
    plan = Plan(path, argv, environ, found, given)
    if found.supervise:  # That nobody is to wait holds for the command's own end too.
        _keep_supervision(environ, given)
    if found.enabled:
        environ.update(settings.absolute(found, settings.PREFIX))
        if _supervised(found):
            from monagent import supervisor

            return supervisor.run(plan)
        prepare(plan)
    return become(plan)


def _check_web_config(found: Settings) -> None:
    """Reads it as the exporter will: now somebody looks at the terminal."""
    if found.web_config and not found.shut:
        from monagent.exporter import webconfig  # 20 ms, for who has such a file.

        if fault := webconfig.fault(found.web_config):
            found.shut = shut(fault)
            found.problems.append(found.shut)


def adopt(environ: MutableMapping[str, str], told: str | None = None) -> None:
    """Have every Python of this environment start monagent, in the tree of the directory `told`."""
    bootstrap = where.bootstrap()
    before = environ.get("PYTHONPATH", "")
    # An empty entry means the working directory: there is none where nothing was.
    entries = before.split(os.pathsep) if before else []
    path = [entry for entry in entries if not where.is_tree_s(entry)]
    at = next((at for at, one in enumerate(path) if where.leads_to(one, bootstrap)), None)
    if at is None:
        path.insert(at := 0, bootstrap)
    if told is not None:
        path.insert(at + 1, told)
    environ["PYTHONPATH"] = os.pathsep.join(path)
    if not where.installed():
        environ.setdefault(where.SITE, _dependencies())


def prepare(plan: Plan) -> None:
    """Join the tree this process belongs to, or begin one: directory, exporter, start line.

    Where numbers can be kept nowhere, the command is run as if there were no monagent.
    """
    if not plan.settings.kept:
        adopt(plan.environ)
        return
    try:
        directory, begun = tree.find(plan.settings, plan.environ, where.bootstrap())
        host = visitors.host(directory)
        if begun and _is_root(directory):
            plan.directory = directory
        if plan.settings.dir is None and where.is_tree_s(host) and os.pathsep not in host:
            adopt(plan.environ, host)
        else:
            plan.environ["MONAGENT_DIR"] = host
            adopt(plan.environ)
        runs = tree.exporter_runs(directory)
        if plan.settings.exporter == "process" and not runs:
            _start_exporter(plan, directory)
        elif runs and not begun:
            from monagent import joining

            joining.tell(host, plan.environ, plan.given)
    except Exception as error:
        guard.say(f"{tree.told(error)}; nothing is recorded", "error")
        if plan.settings.strict and plan.settings.dir is not None:
            guard.say(REFUSED, "error")
            os._exit(WRONG_USAGE)  # We may be the supervisor's child.


def become(plan: Plan) -> int:
    """exec the command; returns the exit code when even that fails."""
    _restore_signals()
    try:
        os.execve(plan.path, plan.argv, plan.environ)
    except OSError as error:
        import errno

        if error.errno == errno.ENOEXEC:
            # A script without "#!": shells and execvp(3) give it to sh.
            os.execve("/bin/sh", ["sh", plan.path, *plan.argv[1:]], plan.environ)
        guard.say(f"{plan.argv[0]}: {error.strerror}", "error")
        return NOT_EXECUTABLE


def resolve(command: str, environ: Mapping[str, str]) -> tuple[str, int]:
    """The path that exec would run, and 0; or the exit code a shell would give, 126 or 127."""
    if "/" in command:
        candidates = [command]
    else:
        search = environ.get("PATH", os.defpath)
        candidates = [os.path.join(place or ".", command) for place in search.split(os.pathsep)]
    code = NOT_FOUND
    for path in candidates if command else []:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path, 0
        if os.path.exists(path) and (os.path.isfile(path) or "/" in command):
            code = NOT_EXECUTABLE
    return command, code


def _supervised(found: Settings) -> bool:
    """Asked for, or the first process of a container: with it everything dies, last numbers too."""
    if found.supervise is not None:
        return found.supervise
    return os.getpid() == 1 and found.delivers_at_the_end and found.exporter == "process"


def _is_root(directory: str) -> bool:
    """Whether the tree ends with this process, or with the supervisor that it is the child of: in
    a container that is adopted by its environment a tree's root may live on."""
    root = read_root(directory)
    return root is None or root[0] in (os.getpid(), os.getppid())


def _keep_supervision(environ: MutableMapping[str, str], given: Mapping[str, str]) -> None:
    """`--supervise` is said of this command alone, and of none that runs within."""
    if SUPERVISE in given:
        environ.pop(SUPERVISE)
        if SUPERVISE in os.environ:
            environ[SUPERVISE] = os.environ[SUPERVISE]


def _start_exporter(plan: Plan, directory: str) -> None:
    from monagent import listening, spawn

    found = plan.settings
    environ = exporter_environ(plan)
    sock, told = _listen(found, directory)
    if sock is None:
        spawn.early(directory, environ, told=told)
        return
    url = listening.url(sock, found)
    guard.say(f"metrics on {url}", "info")
    if not found.web_config:  # A wrong one keeps the endpoint closed.
        tree.announce_endpoint(directory, url)
    spawn.early(directory, environ, sock.fileno())
    sock.close()


def exporter_environ(plan: Plan) -> dict[str, str]:
    """The environment in which an exporter does as the plan says."""
    # The variables that are OpenTelemetry's stay as they are for the command.
    return {**plan.environ, **settings.absolute(plan.settings, "OTEL_")}


def _listen(found: Settings, directory: str) -> tuple[socket | None, bool]:
    """The endpoint's socket, or None and whether the operator knows why that cannot be had yet; the
    exporter tries again until it succeeds."""
    from monagent import listening

    if found.closed or found.shut:
        return None, True  # The exporter opens it once its web configuration file is right.
    try:
        return listening.listen(found.host, found.port), False
    except OSError:
        if tree.predecessor_listens(directory, found.port):
            guard.say(listening.leaving(found), "info")
            return None, False
    try:  # Who had the port may have ended between the two looks.
        return listening.listen(found.host, found.port), False
    except OSError as error:
        guard.say(listening.problem(found, error, tree.neighbour(directory, found.port)))
        return None, True


def _dependencies() -> str:
    """In a source tree: the folder of the launcher's own Python that holds our dependencies."""
    import sys

    for place in sys.path:
        if os.path.isdir(os.path.join(place, "wrapt")):
            return place
    return os.path.dirname(where.PACKAGE)


def _undo_locale_coercion(environ: MutableMapping[str, str]) -> None:
    """Under the C locale our own Python has set LC_CTYPE (PEP 538); the command must not see it."""
    if "LC_CTYPE" not in environ:
        return
    try:
        with open("/proc/self/environ", "rb") as file:
            original = file.read()
    except OSError:
        return
    del environ["LC_CTYPE"]
    for entry in original.split(b"\0"):
        if entry.startswith(b"LC_CTYPE="):
            environ["LC_CTYPE"] = os.fsdecode(entry.partition(b"=")[2])


def _end_by_interrupt() -> None:
    """A Ctrl-C now ends us as it would the command, without a traceback of Python."""
    # Built in; `signal` makes enums for 3 ms.
    import _signal  # type: ignore[import-not-found] # typeshed lacks it

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def _restore_signals() -> None:
    """Our own Python ignores SIGPIPE and SIGXFSZ, and exec would hand that on to the command."""
    import _signal  # As above.

    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        if not _was_ignored(number):
            _signal.signal(number, _signal.SIG_DFL)


def _was_ignored(number: int) -> bool:
    """Whether our parent ignores the signal, and so gave us that. A Python parent ignores it for
    itself alone: subprocess restores the default for its children."""
    parent = f"/proc/{os.getppid()}"
    try:
        if "python" in os.path.basename(os.readlink(f"{parent}/exe")):
            return False
        with open(f"{parent}/status", encoding="utf-8", errors="replace") as status:
            for line in status:
                if line.startswith("SigIgn:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except (OSError, ValueError):
        pass
    return False
