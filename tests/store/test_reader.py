"""What a reader makes of whole, growing, torn and foreign files."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monagent.metrics.family import Family, Spec, joint
from monagent.store import layout
from monagent.store.attributes import identity
from monagent.store.encoding import encode, text
from monagent.store.reader import Instrument, Series, ShardFile, scan
from monagent.store.shard import Shard
from tests.store.programs import PREAMBLE

SPECS = [
    Spec("requests", "counter", "{request}", "Requests."),
    Spec("active", "updowncounter", "", "Active."),
    Spec("size", "gauge", "By", "Size.", (), "max", scope=("lib", "1.0", "http://schema")),
    Spec("latency", "histogram", "s", "Latency.", (0.1, 1.0)),
    Spec("wide", "histogram", "s", "With extremes.", (0.1, 1.0), "sum", True),
]


def written(series: int = 12, directory: str | None = None) -> Shard:
    """A shard with this many series of each sort, each with a value of its own."""
    shard = Shard(directory, '{"python": "3.11", "labels": {"zone": "a"}}')
    for spec in SPECS:
        family = Family(shard, spec, 100_000)
        for number in range(series):
            family.recorder(number, {"number": number, "kind": spec.kind})(number / 10)
    joint(shard, 4, ((0, 700), (1, 800)), ((900, 1),))
    return shard


def understood(content: bytes) -> set[object]:
    """All that a reader gets out of these bytes."""
    file = ShardFile(content)
    return {*map(_known, file.series), *file.joints}


def _known(one: Series) -> tuple[object, ...]:
    return one.instrument, identity(one.attributes), one.index, one.width


CONTENT = written().snapshot()
KNOWN = understood(CONTENT)


def test_a_shard_says_what_was_recorded(tmp_path: Path) -> None:
    """Metrics with all that describes them, series, values, and who recorded."""
    shard = written(2, str(tmp_path))
    (path,) = scan(str(tmp_path))
    file = ShardFile.open(path)
    values = file.values()
    cells = {
        (one.instrument.name, one.attributes["number"]): list(
            values[one.index : one.index + one.width]
        )
        for one in file.series
    }
    shard.close()

    assert cells["requests", 1] == [0.1]
    assert cells["active", 1] == [0.1]
    assert cells["size", 1][0] == 0.1
    assert cells["latency", 1] == [0.1, 1, 0, 0]
    assert cells["wide", 1] == [0.1, 1, 0, 0, 0.1, 0.1]
    assert file.series[4].instrument == Instrument(
        "size", "gauge", "By", "Size.", (), "max", False, ("lib", "1.0", "http://schema")
    )
    assert file.info == {"python": "3.11", "labels": {"zone": "a"}}
    assert (file.pid, file.alive(), file.torn) == (os.getpid(), True, 0)
    file.close()


ATTRIBUTES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(min_size=1), ATTRIBUTES, max_size=5))
@settings(max_examples=300, deadline=None)
def test_attributes_of_every_type_come_back_as_they_were(attributes: dict[str, object]) -> None:
    """Text, numbers, truth, bytes, nothing, sequences and mappings of these."""
    shard = Shard(None)
    Family(shard, SPECS[0], 10).recorder("key", attributes)
    (one,) = ShardFile(shard.snapshot()).series
    shard.close()

    assert repr(identity(one.attributes)) == repr(identity(attributes))


@given(ATTRIBUTES)
@settings(max_examples=300, deadline=None)
def test_text_is_what_json_makes_of_it(value: object) -> None:
    """Our encoder and the json module agree on everything that JSON has."""
    import json

    from monagent.store.attributes import to_json

    plain = to_json(value)

    assert text(plain) == json.dumps(plain, separators=(",", ":"))


def test_text_refuses_what_json_has_not() -> None:
    """An object is no value."""
    with pytest.raises(TypeError, match="found a object, expected what JSON has"):
        text([object()])


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"", layout.Nascent, "shorter than a header"),
        (CONTENT[:100], layout.Nascent, "shorter than a header"),
        (bytes(64 * 1024), layout.Nascent, "not finished"),
        (b"\x7fELF" + CONTENT[4:], layout.Foreign, "found magic"),
        (CONTENT[:8] + struct.pack("=I", 1) + CONTENT[12:], layout.Foreign, "found version 1"),
        (CONTENT[:12] + struct.pack("=I", 8) + CONTENT[16:], layout.Foreign, "header of 8 bytes"),
    ],
)
def test_what_is_no_shard_is_refused_with_a_reason(
    content: bytes, kind: type[Exception], reason: str, tmp_path: Path
) -> None:
    """Empty, half made, another program's, another version's."""
    (tmp_path / "1-0.shard").write_bytes(content)

    with pytest.raises(kind, match=f"1-0.shard: .*{reason}"):
        ShardFile.open(scan(str(tmp_path))[0])


def test_a_version_is_read_by_its_own_reader_only() -> None:
    """Whoever changes the layout changes its version: these are version 2's numbers."""
    assert (layout.VERSION, layout.HEADER_SIZE, layout.CHUNK_HEAD, layout.RECORD_HEAD) == (
        2,
        512,
        16,
        16,
    )
    assert struct.calcsize(layout.HEADER) == 64
    assert CONTENT[:12] == b"MONAGENT" + struct.pack("=I", 2)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_garbage_in_a_shard_never_makes_a_wrong_series(data: st.DataObject) -> None:
    """Bytes overwritten anywhere: whatever is still told was told before, or the file is
    foreign."""
    content = bytearray(CONTENT)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, 12_000) | st.integers(0, len(content) - 1))
        garbage = data.draw(
            st.binary(min_size=1, max_size=64)
            | st.builds(bytes, st.integers(1, 600))
            | st.sampled_from([layout.RECORD_MAGIC, struct.pack("=Q", 2), struct.pack("=Q", 16)])
        )
        content[at : at + len(garbage)] = garbage[: len(content) - at]
    try:
        found = ShardFile(bytes(content))
    except layout.Foreign:
        return

    assert {*map(_known, found.series), *found.joints} <= KNOWN
    assert len(found.values()) == len(CONTENT) // 8


@given(st.integers(0, len(CONTENT)), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_shard_cut_short_tells_a_part_of_what_it_told(length: int, zeros: bool) -> None:
    """A crash of the machine leaves a file short, or its end full of zeros."""
    content = CONTENT[:length] + (bytes(len(CONTENT) - length) if zeros else b"")
    try:
        found = understood(content)
    except layout.Foreign:
        return

    assert found <= KNOWN


def test_joint_cells_add_to_all_that_they_stand_for() -> None:
    """A sum and buckets to each of the same, all counts to a cell; what is taken off ends at 0."""
    shard = Shard(None)
    at, like, more, less, least = (shard.series(4, lambda _: b"{}") for _ in range(5))
    made = joint(shard, 4, ((0, at), (1, like + 1)), ((more, 2), (less, -1), (least, -1)))
    for index, value in zip(range(made or 0, (made or 0) + 4), (2.5, 1, 0, 2), strict=True):
        shard.mem[0][index] = value
    for index, value in ((at, 0.5), (at + 2, 7), (more, 1), (less, 5), (least, 2)):
        shard.mem[0][index] = value
    file = ShardFile(shard.snapshot())
    values = file.values()
    shard.close()

    assert list(values[at : at + 4]) == [3, 1, 7, 2]
    assert list(values[like : like + 4]) == [0, 1, 0, 2]
    assert (values[more], values[less], values[least]) == (7, 2, 0)
    assert file.torn == 0


def test_a_damaged_record_is_counted_and_the_others_are_read() -> None:
    """One flipped byte costs one series."""
    at = CONTENT.index(b'"number":5')
    content = CONTENT[:at] + b"#" + CONTENT[at + 1 :]
    file = ShardFile(content)

    assert file.torn == 1
    assert len(file.series) == 12 * len(SPECS) - 1


def test_records_that_lie_are_counted(tmp_path: Path) -> None:
    """Whole records with impossible contents, as another version's bug might write."""
    shard = written(1)
    for lie in (
        {"series": 99, "at": 600, "width": 1, "attributes": {}},
        {"series": 0, "at": 10**9, "width": 1, "attributes": {}},
        {"series": 0, "at": -5, "width": 1, "attributes": {}},
        {"series": 0, "at": 1.5, "width": 1, "attributes": {}},
        {"series": 0, "at": 600, "width": 2, "attributes": {}},
        {"series": 0, "at": 600, "width": 1, "attributes": 3},
        {"series": 0, "at": 600, "width": 1, "attributes": {"a": {"unknown": 1}}},
        {"series": [0], "at": 600, "width": 1, "attributes": {}},
        {"instrument": 7, "name": "incomplete"},
        {**SPECS[0].descriptor(), "instrument": 8, "name": 5},
        {**SPECS[0].descriptor(), "instrument": 8, "kind": "unheard of"},
        {**SPECS[0].descriptor(), "instrument": 8, "bounds": ["a"]},
        {**SPECS[0].descriptor(), "instrument": 8, "scope": ["", None, ""]},
        {"joint": 600, "width": 4, "spread": [[-1, 700]], "counts": [[800, 1]]},
        {"joint": 600, "width": 4, "spread": [[0, 700]], "counts": [[10**9, 1]]},
        {"joint": 600, "width": 10**9, "spread": [[0, 700]], "counts": []},
        {"joint": 5, "width": 4, "spread": [[0, 700]], "counts": []},
        {"joint": 600, "width": 4, "spread": [[0, 10**9]], "counts": []},
        {"joint": 600, "width": 4, "spread": [[0, 700]], "counts": [[800, 0.5]]},
        {"joint": 600, "width": 4, "spread": [[0, 700]], "counts": [800]},
        {"joint": 600, "width": 4, "spread": 700, "counts": []},
        {"info": ["a"]},
        {"info": {"labels": {"a": ["b"]}}},
        {"info": {"resource": "b"}},
    ):
        shard.describe(encode(lie))
    shard.describe(b"[" * 5000 + b"]" * 5000)
    shard.describe(b"3")
    file = ShardFile(shard.snapshot())
    shard.close()

    assert (len(file.series), len(file.joints)) == (len(SPECS), 1)
    assert file.torn == 26
    assert file.info == {"python": "3.11", "labels": {"zone": "a"}}


def test_a_lock_tells_readers_in_other_pid_namespaces_who_lives(tmp_path: Path) -> None:
    """Containers that share a directory, or one that is begun again with its old one: a pid says
    nothing there.  The lock bears that the program closes all it finds."""
    code = "HITS.bind('x')(1); os.closerange(3, 64); print('there', flush=True); sys.stdin.read()"
    program = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with program:
        assert program.stdout
        assert program.stdout.readline() == b"there\n"
        files = [ShardFile.open(scan(str(tmp_path))[0], keep) for keep in (True, False)]
        for file in files:
            file.identity.namespace += 1
        while_it_runs = [file.alive() for file in files]
        program.kill()

    assert while_it_runs == [True, True]
    assert [file.alive() for file in files] == [False, False]
    files[0].close()


def test_letters_that_no_format_can_carry_are_one(tmp_path: Path) -> None:
    """Bytes that are no text are halves of surrogate pairs in Python: lines of the exposition that
    differ in nothing, and no text for OTLP.  Whole pairs stay."""
    shard = Shard(str(tmp_path), '{"argv0": "caf\\udce9"}')
    for value in ("\udce9", "\udcff", "😀"):
        attributes = {"name\udce9": (value, "é")}
        Family(shard, Spec("odd", "counter"), 9).recorder(identity(attributes), attributes)
    file = ShardFile.open(shard.path or "")
    shard.close()

    assert file.info == {"argv0": "caf?"}
    assert [one.attributes for one in file.series] == [
        {"name?": ("?", "é")},
        {"name?": ("?", "é")},
        {"name?": ("😀", "é")},
    ]
    assert file.torn == 0


def test_a_kept_reader_goes_on_with_a_deleted_file(tmp_path: Path) -> None:
    """The descriptor outlives the name, so the last numbers of a process are not lost."""
    shard = written(1, str(tmp_path))
    (path,) = scan(str(tmp_path))
    file = ShardFile.open(path)
    os.unlink(path)
    family = Family(shard, Spec("late", "counter"), 10)
    family.recorder("k", {"late": True})(3)
    new = file.refresh()
    value = file.values()[file.series[-1].index]
    file.close()
    shard.close()

    assert (new, value) == (1, 3)


def test_a_file_that_was_overwritten_is_foreign(tmp_path: Path) -> None:
    """Cut short or replaced in place while it is read: no numbers out of another file."""
    shard = written(1, str(tmp_path))
    (path,) = scan(str(tmp_path))
    file = ShardFile.open(path)
    with open(path, "r+b") as other:
        other.write(b"something else entirely")

    with pytest.raises(layout.Foreign, match="cut short or overwritten"):
        file.values()
    file.close()
    shard.close()


def test_a_scan_finds_shards_only(tmp_path: Path) -> None:
    """Other files of the directory are left alone; no directory has no shards."""
    for name in ("2-0.shard", "1-0.shard", "retained", "endpoint", "3.shard.tmp"):
        (tmp_path / name).touch()

    assert scan(str(tmp_path)) == [f"{tmp_path}/1-0.shard", f"{tmp_path}/2-0.shard"]
    assert scan(str(tmp_path / "nowhere")) == []


def test_the_cells_of_one_series_are_no_other_series_cells() -> None:
    """Over all growth no two series share a cell, and none lies on a descriptor."""
    shard = Shard(None)
    rng = random.Random(3)
    families = [Family(shard, spec, 100_000) for spec in SPECS]
    for number in range(3000):
        rng.choice(families).recorder(number, {"n": "x" * rng.randrange(300)})
    content = shard.snapshot()
    file = ShardFile(content)
    shard.close()
    taken = [one.index + cell for one in file.series for cell in range(one.width)]

    assert len(file.series) == 3000
    assert len(taken) == len(set(taken))
    cells = set(taken)
    at = content.find(layout.RECORD_MAGIC)
    while at >= 0:
        assert at // 8 not in cells
        at = content.find(layout.RECORD_MAGIC, at + 1)
