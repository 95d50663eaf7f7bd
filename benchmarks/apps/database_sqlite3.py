"""One sqlite3 query of one row."""

from __future__ import annotations

import sqlite3

from benchmarks.apps import loop

# A cursor, since OpenTelemetry's instrumentor does not see what a connection executes itself.
cursor = sqlite3.connect(":memory:").cursor()
loop.run(lambda: cursor.execute("SELECT 1").fetchall())
