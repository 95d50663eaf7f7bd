"""What a forked child without a shard leaves behind at its end: its CPU time."""

from __future__ import annotations

from pathlib import Path

from tests.store.programs import run, shards, totals


def test_a_child_that_records_at_its_very_end_has_what_it_inherited(tmp_path: Path) -> None:
    """It has spoken of its CPU time by then, which alone makes a file of no series."""
    result = run(
        """
        record = HITS.bind("x")
        for _ in range(2):
            if os.fork() == 0:
                while time.process_time() < 0.05:
                    pass
                shard.used()
                shard.used()
                record(1)
                HITS.bind("y")(1)
                shard.ending()
                os._exit(0)
            os.wait()
        """,
        tmp_path,
    )

    assert result.stderr == ""
    assert totals(tmp_path) == {"x": 2, "y": 2}
    assert [min(sum(one.used), 0.05) for one in shards(tmp_path)].count(0.05) == 4


def test_no_directory_is_made_for_cpu_time_alone(tmp_path: Path) -> None:
    """Its exporter has ended, nobody would clear it away."""
    gone = tmp_path / "gone"
    gone.mkdir()
    run(
        f"""
        if os.fork() == 0:
            while time.process_time() < 0.05:
                pass
            os.rename({str(gone)!r}, {str(tmp_path / "moved")!r})
            shard.ending()
            os._exit(0)
        os.wait()
        """,
        gone,
    )

    assert [one.name for one in tmp_path.iterdir()] == ["moved"]


def test_a_child_of_a_moment_leaves_nothing(tmp_path: Path) -> None:
    """Nor does one whose forking parent keeps its numbers to itself."""
    run(
        """
        for of in (shard, Shard(None)):
            if os.fork() == 0:
                while of is not shard and time.process_time() < 0.05:
                    pass
                of.ending()
                os._exit(0)
            os.wait()
        """,
        tmp_path,
    )

    assert len(shards(tmp_path)) == 1
