"""One psycopg query of one row."""

from __future__ import annotations

import os

import psycopg

from benchmarks.apps import loop

with psycopg.connect("postgresql://" + os.environ["BENCH_POSTGRESQL"], autocommit=True) as one:
    cursor = one.cursor()
    loop.run(lambda: cursor.execute("SELECT 1").fetchall())
