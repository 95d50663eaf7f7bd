"""Event loops tell how late they are and how many tasks they have, and are otherwise left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runtime.programs import program

BLOCKED = """
    import asyncio, time, {loops}
    async def main():
        tasks = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(7)]
        await asyncio.sleep(0.6)
        time.sleep(0.7)
        await asyncio.sleep(1)
        {last}
    loop = {loops}.new_event_loop()
    loop.run_until_complete(main())
"""


@pytest.mark.parametrize("loops", ["asyncio", "uvloop"])
def test_a_blocked_loop_shows_as_late(loops: str, tmp_path: Path) -> None:
    """700 ms without giving way: one delay of about half a second, the others next to none."""
    counted = program(BLOCKED.format(loops=loops, last="pass"), tmp_path).counted

    assert counted.total("asyncio.eventloop.delay") >= 3
    assert 0.3 < counted.total("asyncio.eventloop.delay.sum") < 5


@pytest.mark.parametrize("loops", ["asyncio", "uvloop"])
def test_running_tasks_are_told_and_forgotten_with_their_loop(loops: str, tmp_path: Path) -> None:
    """Eight tasks while the loop runs (the main one, too), none when it has stopped."""
    running = program(BLOCKED.format(loops=loops, last="import os; os._exit(0)"), tmp_path)
    (tmp_path / "later").mkdir()
    stopped = program(BLOCKED.format(loops=loops, last="pass"), tmp_path / "later")

    assert running.counted.total("asyncio.tasks") == 8
    assert stopped.counted.total("asyncio.tasks") == 0


FORKED = """
    import asyncio, os
    async def main():
        tasks = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(7)]
        await asyncio.sleep(0.6)
        loop = asyncio.get_running_loop()
        pid = os.fork()
        if pid == 0:
            try: {child}
            finally: os._exit(0)
        os.waitpid(pid, 0)
        os._exit(0)
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("child", "tasks"),
    [
        ("asyncio.run(asyncio.sleep(0))", 8),
        pytest.param(
            "future = loop.create_future(); loop.call_later(1.5, future.cancel); await future",
            16,
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 12), reason="a child's loop does not run on since 3.12"
            ),
        ),
    ],
)
def test_a_child_that_a_running_loop_forks_tells_its_own_tasks(
    child: str, tasks: int, tmp_path: Path
) -> None:
    """As ProcessPoolExecutor does: the parent's eight tasks are not the child's to take back, and
    are told once more where it goes on with them."""
    counted = program(FORKED.format(child=child), tmp_path).counted

    assert counted.total("asyncio.tasks") == tasks


def test_a_loop_class_of_the_program_is_not_asked_for_our_timer(tmp_path: Path) -> None:
    """Its methods may take no context, as before Python 3.7, or tell of every call."""
    text = """
        import asyncio
        class Telling(asyncio.SelectorEventLoop):
            def call_later(self, delay, callback, *args):
                print("later", callback.__name__)
                return super().call_later(delay, callback, *args)
            def call_at(self, when, callback, *args, context=None):
                print("at", callback.__name__)
                return super().call_at(when, callback, *args, context=context)
        for _ in range(2):
            loop = Telling()
            loop.run_until_complete(asyncio.sleep(1))
            loop.close()
    """
    plain = program(text, tmp_path, adopted=False)
    watched = program(text, tmp_path)

    assert (watched.output, watched.errors) == (plain.output, plain.errors)
    assert watched.counted.total("asyncio.eventloop.delay") >= 4


def test_a_loop_with_a_clock_of_its_own_is_left_alone(tmp_path: Path) -> None:
    """Its time leaps to the next timer: with one of ours it would never see that nothing waits."""
    text = """
        import asyncio
        class Leaping(asyncio.SelectorEventLoop):
            now = 0.0
            def time(self): return self.now
        async def main():
            print(len(asyncio.get_running_loop()._scheduled))
        loop = Leaping()
        loop.run_until_complete(main())
    """
    ended = program(text, tmp_path)

    assert ended.output == b"0\n"
    assert ended.counted.total("asyncio.eventloop.delay") == 0


def test_a_loop_is_watched_on_while_its_tasks_cannot_be_told(tmp_path: Path) -> None:
    """Granian's task of `--task-impl rust` knows no loop: `asyncio.all_tasks` raises."""
    text = """
        import asyncio, asyncio.tasks
        class Bare(asyncio.Task):
            def __init__(self):
                asyncio.tasks._register_task(self)
            def done(self):
                return False
        bare = Bare()
        asyncio.run(asyncio.sleep(1))
    """
    counted = program(text, tmp_path).counted

    assert counted.total("asyncio.eventloop.delay") >= 3
    assert counted.total("monagent.errors") == 0


def test_many_short_runs_leave_nothing_behind(tmp_path: Path) -> None:
    """1,000 loops made, run and dropped, in threads as well: all are freed."""
    text = """
        import asyncio, gc, threading, weakref
        class Context: pass
        loops = []
        async def main(): pass
        def run(times):
            for _ in range(times):
                loop = asyncio.new_event_loop()
                loops.append(weakref.ref(loop))
                loop.run_until_complete(main())
                loop.close()
        threads = [threading.Thread(target=run, args=(250,)) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        gc.collect()
        print(len(loops), sum(one() is not None for one in loops))
    """
    ended = program(text, tmp_path)

    assert ended.output == b"1000 0\n"
    assert ended.counted.total("asyncio.tasks") == 0


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """With MONAGENT_ASYNCIO=off the loop has no timer of ours."""
    text = """
        import asyncio
        async def main():
            print(len(asyncio.get_running_loop()._scheduled))
        asyncio.run(main())
    """
    off = program(text, tmp_path, environ={"MONAGENT_ASYNCIO": "off"})

    assert (off.output, off.counted.series) == (b"0\n", off.counted.series)
    assert off.counted.total("asyncio.eventloop.delay") == 0
