"""What the service loads at its start stays small."""

import subprocess
import sys

MODULES = (
    "database predictions feedback review media spool writer keys limits retention"
    " windows monitoring flow_runs"
)
LOADED = """
import importlib, sys
for name in sys.argv[1].split():
    importlib.import_module(f"rakuten.store.{name}")
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_store_loads_no_heavy_library_before_it_needs_one() -> None:
    command = [sys.executable, "-c", LOADED, MODULES]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"mlflow", "sklearn", "scipy", "pandas", "numpy", "alembic", "boto3", "psycopg", "dvc"}
    assert "sqlalchemy" in loaded
    assert not heavy & set(loaded)
