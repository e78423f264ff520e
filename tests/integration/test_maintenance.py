"""What docs/tracking-server.md says on backup and upgrade, on a real cluster."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.servers.mlflow_server import TrackingServer, find_server_python
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.servers

PAGE = (REPOSITORY / "docs/tracking-server.md").read_text()
COUNTS = "select count(*) from experiments; select count(*) from runs; select count(*) from metrics"


def shown(program: str) -> list[str]:
    """The arguments with which the page calls a program inside a container."""
    found = re.search(rf"{program} ([^<>\n]*)", PAGE)
    assert found
    return found.group(1).split()


def test_a_backup_restored_holds_what_it_held(
    server: TrackingServer, database: Postgres, tmp_path: Path
) -> None:
    assert server.uri
    environment = {**os.environ, **database.environment("mlflow")}
    dump = tmp_path / "mlflow.dump"
    with dump.open("wb") as out:
        command = [str(database.programs / "pg_dump"), *shown("pg_dump")]
        subprocess.run(command, env=environment, stdout=out, check=True)
    database.make_database("restored")
    arguments = ["restored" if word == "mlflow" else word for word in shown("pg_restore")]
    arguments[arguments.index("--username") + 1] = "mlflow"
    for _ in range(2):  # into an empty database, and over what is there
        with dump.open("rb") as back:
            command = [str(database.programs / "pg_restore"), *arguments]
            subprocess.run(command, env=environment, stdin=back, check=True)
    assert database.query("restored", COUNTS) == database.query("mlflow", COUNTS)


def test_an_old_database_is_brought_up_by_the_command_shown(
    server: TrackingServer, database: Postgres
) -> None:
    assert server.uri
    database.make_database("old")
    command = [str(find_server_python()), "-m", "mlflow", *shown("mlflow mlflow")]
    environment = {**os.environ, **database.environment("old")}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    version = "select version_num from alembic_version"
    assert database.query("old", version) == database.query("mlflow", version)
