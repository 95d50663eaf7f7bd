"""Where a tree keeps its state: the same place for all of its processes, nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monagent import tree
from monagent.store import directory
from monagent.store.directory import Refused
from monagent.store.shard import Shard

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """And found again."""
    path = str(tmp_path / "state")

    assert directory.prepare(path) == directory.prepare(path) == path
    assert os.stat(path).st_mode & 0o777 == 0o700


def test_no_file_mode_mask_keeps_us_from_our_own_files(tmp_path: Path) -> None:
    """A program with `umask 177` (a service's `UMask=0177`) and more processes than one."""
    before = os.umask(0o777)
    try:
        path = directory.prepare(str(tmp_path / "state"))
        directory.write_root(path, (1, 2))
        tree.announce_exporter(path)
        shard = Shard(path)
    finally:
        os.umask(before)
    made = {file.suffix or file.name: file.stat().st_mode & 0o777 for file in Path(path).iterdir()}
    shard.close()

    assert os.stat(path).st_mode & 0o777 == 0o700
    assert made == {"root": 0o600, ".lock": 0o600, ".shard": 0o600}


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """Somebody could put files there that count as ours."""
    tmp_path.chmod(mode)

    with pytest.raises(Refused, match=f"found mode {mode & 0o777:o}, expected one that others"):
        directory.prepare(str(tmp_path))


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file, and a link that leads elsewhere."""
    (tmp_path / "file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    for name in ("file", "link"):
        with pytest.raises(Refused, match="found no directory, expected one"):
            directory.prepare(str(tmp_path / name))


@root
def test_another_users_directory_is_refused(tmp_path: Path) -> None:
    """Who may have made it in time, to read along."""
    os.chown(tmp_path, 12345, -1)

    with pytest.raises(Refused, match="found the owner uid 12345, expected 0"):
        directory.prepare(str(tmp_path))


def test_a_wiped_directory_is_restored_with_the_one_above(tmp_path: Path) -> None:
    """Both for their owner alone."""
    path = tmp_path / "monagent-0" / "12-34"

    assert directory.restore(str(path)) == str(path)
    assert [os.stat(one).st_mode & 0o777 for one in (path, path.parent)] == [0o700, 0o700]


def test_trees_do_not_meet(tmp_path: Path) -> None:
    """Two roots, two directories; the same root, the same."""
    environ = {"TMPDIR": str(tmp_path)}
    place = directory.places(environ)[0]
    found = [directory.for_tree(root, environ) for root in ((7, 100), (7, 101), (7, 100))]
    for path in set(found):
        os.rmdir(path)

    assert found[0] == found[2] != found[1]
    assert all(path.startswith(f"{place}/monagent-{os.geteuid()}/7-10") for path in found)


def test_a_tree_begins_where_there_is_room_and_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its later processes may find the room gone, or come back, and belong to it all the same."""
    small, large = str(tmp_path / "small"), str(tmp_path / "large")
    rooms = {small: directory.ROOM - 1, large: directory.ROOM}
    monkeypatch.setattr(directory, "places", lambda _: [small, large])
    monkeypatch.setattr(directory, "_room", rooms.get)
    for place in rooms:
        Path(place).mkdir()

    begun = directory.for_tree((7, 100), {})
    rooms.update({small: directory.ROOM, large: 0})
    later, another = (directory.for_tree((7, ticks), {}) for ticks in (100, 101))
    rooms.update({small: 0})
    nowhere = directory.for_tree((7, 102), {})

    assert begun == later
    assert [Path(path).parts[-3] for path in (begun, another, nowhere)] == [
        "large",
        "small",
        "small",
    ]


def test_without_any_place_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without /dev/shm and temporary directories."""
    monkeypatch.setattr(directory, "places", lambda environ: [])

    with pytest.raises(Refused, match="no /dev/shm, TMPDIR, /tmp or /var/tmp"):
        directory.for_tree((1, 1), {})


def test_the_first_root_stays(tmp_path: Path) -> None:
    """A later one does not replace it; what cannot be read is none."""
    path = str(tmp_path)
    before = directory.read_root(path)
    directory.write_root(path, (7, 100))
    directory.write_root(path, (8, 200))

    assert (before, directory.read_root(path)) == (None, (7, 100))
    (tmp_path / "root").write_text("what")
    assert directory.read_root(path) is None


def test_a_tree_begins_at_the_farthest_adopted_ancestor(tmp_path: Path) -> None:
    """A gap ends the tree; an adopted pid 1 takes in what has no other tie to it."""
    for pid, parent in ((1, 0), (10, 1), (11, 10), (12, 11), (13, 12)):
        place = tmp_path / str(pid)
        place.mkdir()
        fields = ["S", str(parent), *["0"] * 17, str(pid * 100), *["0"] * 30]
        (place / "stat").write_text(f"{pid} (x) {' '.join(fields)}\n")
    proc = str(tmp_path)

    assert directory.tree_root({11, 12, 13}.__contains__, 13, proc) == (11, 1100)
    assert directory.tree_root({11, 13}.__contains__, 13, proc) == (13, 1300)
    assert directory.tree_root({1, 13}.__contains__, 13, proc) == (1, 100)


def test_a_process_is_adopted_by_what_its_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bootstrap's folder in PYTHONPATH, however it is written, and nowhere else."""
    monkeypatch.chdir(tmp_path)
    boot = tmp_path / "boot"
    said = [f"A=1\0PYTHONPATH=/x:{boot}\0", f"PYTHONPATH={tmp_path}/x/../boot//\0"]
    said += ["PYTHONPATH=boot\0", f"B={boot}\0", f"PYTHONPATH={boot}2:other/boot\0", ""]
    for pid, environ in enumerate(said):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "environ").write_text(environ)
    adopted = directory.adopted_by(str(boot), {"PYTHONPATH": "other:boot"}, str(tmp_path))

    assert [adopted(pid) for pid in range(7)] == [True, True, True, False, False, False, False]


def test_a_title_over_the_environment_breaks_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is cannot be told of such a process, but for one that a tree began with."""
    monkeypatch.setattr(directory, "places", lambda environ: [str(tmp_path)])
    for pid, parent, environ in (
        (1, 0, b"A=1\0"), (11, 1, b"\0\0\0"), (12, 11, b"er [app]\0\0"), (13, 12, b""),
    ):  # fmt: skip
        place = tmp_path / str(pid)
        place.mkdir()
        (place / "environ").write_bytes(environ)
        fields = ["S", str(parent)] + ["0"] * 17 + [str(pid * 100)]
        (place / "stat").write_text(f"{pid} (x) {' '.join(fields)}\n")
    proc = str(tmp_path)
    adopted = directory.adopted_by("/boot", {}, proc)

    assert directory.tree_root(adopted, 13, proc) == (13, 1300)
    Path(directory.home(proc), "11-1100").mkdir(parents=True)
    assert directory.tree_root(adopted, 13, proc) == (11, 1100)
