"""What a Python is there for is told from its command line."""

from __future__ import annotations

import pytest

from monagent.process_role import FORKSERVER, HELPER, PROGRAM, of

FORKS = "from multiprocessing.forkserver import main; "

LINES = {
    "python": PROGRAM,
    "python app.py --x": PROGRAM,
    "python -W ignore -X dev app.py": PROGRAM,
    "python -m http.server": PROGRAM,
    "python -Im monagent run x": HELPER,
    "python -m monagent run x": HELPER,
    "python /usr/local/bin/monagent run x": HELPER,
    "python /app/monagent.py": PROGRAM,
    "python -c|import monagent": PROGRAM,
    "python -B -c|from multiprocessing.resource_tracker import main;main(5)": HELPER,
    "python -c|from multiprocessing.semaphore_tracker import main;main(5)": HELPER,
    f"python -c|{FORKS}main(3, 4, [], **{{}})": FORKSERVER,
    f"python -c|{FORKS}main(3, 4, ['__main__'], **{{'sys_path': ['/a']}})": FORKSERVER,
    f"python -c|{FORKS}main(3, 4, ['__main__'], **{{'main_path': '/a.py'}})": PROGRAM,
    f"python -c|{FORKS}main(3, 4, ['tasks'], **{{'sys_path': ['/a']}})": PROGRAM,
    f"python -c|{FORKS}main(3, 4, ('__main__', 'tasks'), **{{}})": PROGRAM,
    "python -c|from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)": PROGRAM,
    "python - monagent": PROGRAM,
}


@pytest.mark.parametrize("line", LINES)
def test_the_command_line_tells_the_role(line: str) -> None:
    """`|` stands before the one argument that holds spaces."""
    words, bar, code = line.partition("|")

    assert of(words.split() + ([code] if bar else [])) == LINES[line]
