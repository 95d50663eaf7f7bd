"""Django's queries go through the driver that is measured: each counts once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.django.conftest import PROJECT
from tests.recorded import counted

PROGRAM = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.db import connection, models, transaction

class Thing(models.Model):
    name = models.CharField(max_length=9)
    class Meta:
        app_label = "shop"

with connection.schema_editor() as editor:
    editor.create_model(Thing)
for _ in range(3):
    Thing.objects.create(name="a")
with transaction.atomic():
    Thing.objects.filter(name="a").update(name="b")
print([thing.name for thing in Thing.objects.all()])
Thing.objects.all().delete()
"""


def test_a_query_of_the_orm_counts_once(tmp_path: Path) -> None:
    """Three rows made, one statement that changes them, one that deletes them; SELECT is left out,
    since Django asks for the database's abilities by it."""
    done = subprocess.run(
        [sys.executable, "-m", "monagent", "run", "--", sys.executable, "-c", PROGRAM],
        cwd=PROJECT,
        env={**os.environ, "MONAGENT_DIR": str(tmp_path / "state"), "MONAGENT_EXPORTER": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    operations = counted(tmp_path / "state").by("db.client.operation.duration", "db.operation.name")

    assert done.stdout == "['b', 'b', 'b']\n", done.stderr
    kinds = ("INSERT", "UPDATE", "DELETE")
    assert [operations[kind] for kind in kinds] == [3, 1, 1]
