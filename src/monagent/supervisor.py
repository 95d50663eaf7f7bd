"""`--supervise`: stay as the command's parent until its last numbers are delivered.

The command gets a process group of its own and, where there is one, the terminal, as a shell
gives them to a job: signals typed at the terminal then reach it once, signals sent to us are
forwarded. Orphans become ours (subreaper) and are reaped; the exporter is one of them.
"""

from __future__ import annotations

import os
import signal
import sys

from monagent import ending, guard, launcher
from monagent.store import directory, process
from monagent.store.descriptors import above_stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.launcher import Plan

PATIENCE = 25.0
"""Seconds after which the last delivery is given up; the exporter itself gives up before."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# What cannot be caught, what says that a child changed, and what a crash of our own would raise.
_KEPT = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGCHLD,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
}
_OF_A_TERMINAL = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""What stops a job at its terminal, for the shell to continue it."""


def run(plan: Plan) -> int:
    """Run the command to its end and the delivery to its own; returns the command's exit code."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    forwarded = set(signal.valid_signals()) - _KEPT
    # Blocked from before the fork: none is lost between the fork and the loop.
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded | {signal.SIGCHLD})
    # Ignored, as some parents leave it, it would never come, and no exit code with it.
    ignored = signal.signal(signal.SIGCHLD, signal.SIG_DFL) == signal.SIG_IGN
    terminal = _terminal()
    foreground = terminal is not None and _in_front(terminal)
    told, tell = map(above_stdio, os.pipe())
    own = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        guard.say(f"{error.strerror}: cannot supervise, the command is run alone", "error")
        os.close(told)
        os.close(tell)
        if ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        launcher.prepare(plan)
        return launcher.become(plan)
    if child == 0:
        os.close(told)
        if ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        _begin(plan, own, terminal if foreground else None, mask, tell)
    os.close(tell)
    _own_group(child)
    plan.directory = _read_all(told) or None
    job = Job(child, terminal, foreground)
    code = job.wait(forwarded)
    if plan.directory is not None and plan.settings.exporter == "process":
        job.await_delivery(plan.directory, lambda: _deliver(plan))
    job.take_terminal()
    return code


class Job:
    """The command as its supervisor sees it; `given` tells whether we let it have the terminal."""

    def __init__(self, child: int, terminal: int | None, given: bool) -> None:
        self.child = child
        self.terminal = terminal
        self.given = given
        self.code: int | None = None

    def wait(self, forwarded: set[signal.Signals]) -> int:
        """Forward signals and reap until the command has ended; 128 + n when signal n killed it."""
        while True:
            self._reap()
            if self.code is not None:
                return self.code
            info = signal.sigwaitinfo(forwarded | {signal.SIGCHLD})
            if info.si_signo != signal.SIGCHLD:
                self._forward(info.si_signo)

    def await_delivery(self, directory: str, deliver: Callable[[], bool]) -> None:
        """Wait until the exporter has ended, and reap; see `ending.await_exporter`."""

        def pause() -> None:
            # Its end is a SIGCHLD, since orphans are ours; the timeout is for other systems.
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._reap()

        ending.await_exporter(directory, PATIENCE, pause, deliver)

    def take_terminal(self) -> None:
        if self.terminal is not None and self.given:
            _foreground(self.terminal, os.getpgrp())
            self.given = False

    def _forward(self, number: int) -> None:
        try:
            if number in (signal.SIGTSTP, signal.SIGCONT):
                os.killpg(self.child, number)
            else:
                os.kill(self.child, number)
        except ProcessLookupError:
            pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child and os.WIFSTOPPED(status):
                self._stopped(os.WSTOPSIG(status))
            elif pid == self.child:
                self.code = (
                    128 + os.WTERMSIG(status)
                    if os.WIFSIGNALED(status)
                    else os.waitstatus_to_exitcode(status)
                )

    def _stopped(self, number: int) -> None:
        """Ctrl-Z and its like: let our own parent (a shell) see a stopped job as well.

        Whoever stops the command otherwise continues it too, and we would not hear of that.
        """
        if self.terminal is None or number not in _OF_A_TERMINAL or os.getpid() == 1:
            return
        self.take_terminal()
        os.kill(os.getpid(), signal.SIGSTOP)
        # Continued: by `fg` we have the terminal now and pass it on, by `bg` we have not.
        if _in_front(self.terminal):
            _foreground(self.terminal, self.child)
            self.given = True
        os.killpg(self.child, signal.SIGCONT)


def _deliver(plan: Plan) -> bool:
    """Begin an exporter for the last delivery alone; False when there is none to be made."""
    if plan.directory is None or not plan.settings.delivers_at_the_end:
        return False
    from monagent import spawn

    launcher.adopt(plan.environ)
    spawn.early(plan.directory, launcher.exporter_environ(plan))
    return True


def _begin(
    plan: Plan, supervisor: int, terminal: int | None, mask: set[int | signal.Signals], tell: int
) -> None:
    """In the child: become a job, start the exporter (the tree's root is this process), exec."""
    code = launcher.NOT_EXECUTABLE
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # died before we asked to die with it
            os._exit(128 + signal.SIGKILL)
        _own_group(0)
        if terminal is not None:
            _foreground(terminal, os.getpgrp())
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _hand_on(plan.environ, supervisor)
        launcher.prepare(plan)
        _introduce(plan, supervisor)
        os.write(tell, os.fsencode(plan.directory or ""))
        os.close(tell)
        code = launcher.become(plan)
    finally:
        os._exit(code)


def _hand_on(environ: dict[str, str], supervisor: int) -> None:
    """What systemd gave to our pid is the command's: its sockets and its watchdog. Who reads
    another pid there has to take it for another's, sd_listen_fds(3)."""
    for name in ("LISTEN_PID", "WATCHDOG_PID"):
        if environ.get(name) == str(supervisor):
            environ[name] = str(os.getpid())
            # Newer systemd names the same process a second way, which few read.
            environ.pop(f"{name}FDID", None)


def _introduce(plan: Plan, supervisor: int) -> None:
    """Tell the exporter whose stderr is left when the command has ended."""
    if plan.directory is None:
        return
    try:
        try:
            os.unlink(f"{plan.directory}/{directory.SUPERVISOR}")
        except FileNotFoundError:
            pass
        whose = supervisor, process.start_ticks(supervisor) or 0
        directory.write_root(plan.directory, whose, directory.SUPERVISOR)
        directory.note_stderr(plan.directory, whose, directory.SUPERVISOR)
    except OSError as error:
        guard.say(f"cannot write {directory.SUPERVISOR}: {error}")


def _own_group(pid: int) -> None:
    """Said by parent and child, so that it holds for both from the start."""
    try:
        os.setpgid(pid, pid)
    except OSError:  # the child has exec'ed already, and had done it itself
        pass


def _terminal() -> int | None:
    """A descriptor of our controlling terminal, if we have one."""
    for fd in (0, 1, 2):
        try:
            os.tcgetpgrp(fd)
            return fd
        except OSError:
            continue
    return None


def _in_front(terminal: int) -> bool:
    """Whether its foreground is ours; not when it has hung up."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


def _foreground(terminal: int, group: int) -> None:
    """Make the group the terminal's foreground; SIGTTOU would stop us for asking from behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        os.tcsetpgrp(terminal, group)
    except OSError:
        pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_all(fd: int) -> str:
    with os.fdopen(fd, "rb") as pipe:
        return os.fsdecode(pipe.read())


def _prctl(option: int, value: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):  # a Python without ctypes, a libc without prctl
        pass
