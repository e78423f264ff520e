"""There is always a table of corrections, and never an empty one in the place of real ones."""

from pathlib import Path

import pytest
import yaml

from rakuten.data.corrections import corrections_frame
from rakuten.errors import ConfigurationError, DataNotFoundError
from rakuten.io import write_csv
from rakuten.settings import ProjectPaths
from rakuten.stages.feedback_folder import exported_rows, prepare_feedback


def lock(root: Path, **out: object) -> None:
    """What DVC writes of the stage."""
    stage = {"outs": [{"path": "data/feedback", "md5": "abc.dir", **out}]}
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"feedback": stage}}))


def test_a_table_without_rows_is_made_where_there_is_none(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    assert prepare_feedback(paths)
    assert exported_rows(paths.feedback) == 0
    path = paths.feedback / "corrections.csv"
    size = path.stat().st_size
    write_csv(tmp_path / "export.csv", corrections_frame([]))
    assert path.read_bytes() == (tmp_path / "export.csv").read_bytes()
    assert not prepare_feedback(paths)
    path.unlink()
    lock(tmp_path, size=size, nfiles=1)
    assert prepare_feedback(paths)


def test_a_table_that_is_there_stays(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    prepare_feedback(paths)
    path = paths.feedback / "corrections.csv"
    path.write_text(path.read_text() + '"a row"\n')
    before = path.read_bytes()
    lock(tmp_path, size=50_000, nfiles=9)
    assert not prepare_feedback(paths)
    assert path.read_bytes() == before
    assert exported_rows(paths.feedback) == 1


def test_corrections_that_dvc_keeps_are_not_replaced_by_none(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    lock(tmp_path, size=50_000, nfiles=9)
    with pytest.raises(DataNotFoundError, match="kept by DVC") as error:
        prepare_feedback(paths)
    assert "dvc pull" in str(error.value.hint)
    assert not paths.feedback.exists()


@pytest.mark.parametrize("text", ["stages: [", "- 1\n- 2\n", "stages: {feedback: {outs: [3]}}"])
def test_a_lock_file_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(ConfigurationError, match=r"dvc\.lock cannot be read"):
        prepare_feedback(ProjectPaths(tmp_path))


def test_a_lock_file_of_before_is_no_reason(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n  ingest:\n    cmd: x\n")
    assert prepare_feedback(ProjectPaths(tmp_path))
