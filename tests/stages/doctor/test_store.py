"""The doctor asks the prediction store, and makes nothing there."""

from pathlib import Path

import sqlalchemy as sa

from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.doctor.check import Check, Subject
from rakuten.stages.doctor.run import run_check
from rakuten.stages.doctor.store import store_checks
from rakuten.store.database import Database
from tests.servers.process import free_port


def ask(root: Path, url: str | None = None) -> Check:
    settings = Settings.model_construct(database_url=url)
    (found,) = run_check("store", store_checks, Subject(ProjectPaths(root), settings, {}))
    return found


def test_absent_store_is_left_out_and_not_made(tmp_path: Path) -> None:
    found = ask(tmp_path)
    assert (found.state, "predictions.db" in found.detail) == ("skipped", True)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_store_with_the_tables_of_this_version_is_well(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(url)
    database.migrate()
    assert ask(tmp_path, url).state == "ok"
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r0001'"))
    found = ask(tmp_path, url)
    assert (found.state, "r0001" in found.detail) == ("warning", True)


def test_store_without_tables_is_a_warning_that_says_who_makes_them(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    found = ask(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    assert found.state == "warning"
    assert "rakuten serve" in found.hint


def test_what_is_no_database_and_who_does_not_answer_fail_without_the_password(
    tmp_path: Path,
) -> None:
    (tmp_path / "store.db").write_text("no database at all, but long enough to be read as one" * 9)
    assert ask(tmp_path, f"sqlite:///{tmp_path / 'store.db'}").state == "failed"
    found = ask(tmp_path, f"postgresql://me:hush-hush@127.0.0.1:{free_port()}/store")
    assert (found.state, found.away) == ("failed", True)
    assert "hush-hush" not in found.detail + found.hint
