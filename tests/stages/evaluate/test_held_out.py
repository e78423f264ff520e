"""The current model on its own held-out rows."""

import shutil
from pathlib import Path

import pytest

from rakuten.errors import ContractError, DataNotFoundError, ModelError
from rakuten.io import read_csv, write_csv
from rakuten.settings import ProjectPaths
from rakuten.stages.evaluate import evaluate_held_out
from rakuten.stages.train import TrainOutcome

Trained = tuple[ProjectPaths, TrainOutcome]


@pytest.fixture
def copy(trained_project: Trained, tmp_path: Path) -> ProjectPaths:
    """A copy of the trained project that a test may spoil; photos stay where they are."""
    source, paths = trained_project[0], ProjectPaths(tmp_path)
    shutil.copytree(source.processed, paths.processed)
    shutil.copytree(source.model, paths.model)
    paths.raw.symlink_to(source.raw)
    return paths


def test_the_scores_are_those_that_training_reported(trained_project: Trained) -> None:
    paths, outcome = trained_project
    seen: list[tuple[int, int]] = []
    found = evaluate_held_out(paths, progress=lambda done, total: seen.append((done, total)))
    expected = outcome.metrics["held_out"]
    assert found.rows == expected["rows"] == seen[-1][0] == seen[-1][1]
    for name, score in found.scores.items():
        assert score == pytest.approx(expected[name], abs=1e-6), name
    assert found.source.kind == "held_out"
    assert found.source.model_sha256 == outcome.model_sha256
    assert found.source.split_fingerprint == outcome.split_fingerprint
    assert found.source.threshold == outcome.metrics["threshold"]["confidence"]
    assert found.source.target_precision == 0.97


def test_photos_are_judged_as_ingest_judged_them(trained_project: Trained) -> None:
    paths = trained_project[0]
    merged = read_csv(paths.interim / "merged_train.csv").set_index("index")
    held_out = read_csv(paths.processed / "heldout.csv")
    usable = (merged.loc[held_out["index"], "image_status"] == "ok").sum()
    found = {(s.dimension, s.name): s.rows for s in evaluate_held_out(paths).slices}
    with_photo = found["content", "text and photo"] + found["content", "photo only"]
    assert 0 < with_photo == usable
    assert found["description", "with"] == (held_out["description"].str.strip() != "").sum()


def test_rows_of_another_split_are_refused(copy: ProjectPaths) -> None:
    path = copy.processed / "heldout.csv"
    table = read_csv(path)
    write_csv(path, table.iloc[:-1])
    with pytest.raises(ContractError, match="does not hold the held-out rows"):
        evaluate_held_out(copy)
    table.loc[0, "designation"] += " changed"
    write_csv(path, table)
    with pytest.raises(ContractError, match="may have learned"):
        evaluate_held_out(copy)


def test_a_table_without_a_column_is_refused(copy: ProjectPaths) -> None:
    path = copy.processed / "heldout.csv"
    write_csv(path, read_csv(path).drop(columns="image_sha256"))
    with pytest.raises(ContractError, match=r"heldout\.csv lacks image_sha256"):
        evaluate_held_out(copy)


def test_without_model_or_rows_the_error_says_so(copy: ProjectPaths) -> None:
    (copy.processed / "heldout.csv").unlink()
    with pytest.raises(DataNotFoundError, match=r"heldout\.csv does not exist"):
        evaluate_held_out(copy)
    shutil.rmtree(copy.model)
    with pytest.raises(ModelError, match="no model"):
        evaluate_held_out(copy)


def test_photos_that_are_gone_are_not_scored_as_absent(copy: ProjectPaths) -> None:
    copy.raw.unlink()
    (copy.raw / "images/image_train").mkdir(parents=True)
    with pytest.raises(ContractError, match="photos of held-out rows are no longer in") as error:
        evaluate_held_out(copy)
    assert error.value.hint
