"""The frozen reference sample is what the model saw of held-out rows, and of no others."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from rakuten import catalog
from rakuten.errors import ModelError
from rakuten.io import read_csv, sha256_file
from rakuten.models.feature_row import FeatureRow, feature_columns
from rakuten.models.model_directory import MANIFEST, write_model
from rakuten.models.predict_model import predict_table
from rakuten.models.predictor import Predictor
from rakuten.models.reference import REFERENCE_ROWS, read_reference, reference_arrays
from rakuten.settings import ProjectPaths
from rakuten.stages.train import HELD_OUT, TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]


@pytest.fixture(scope="module")
def reference(trained_project: Project) -> list[FeatureRow]:
    return read_reference(trained_project[0].model)


@pytest.fixture(scope="module")
def held_out(trained_project: Project) -> list[FeatureRow]:
    """Rows that the saved model gives for the held-out products, anew."""
    paths, _ = trained_project
    table = read_csv(paths.processed / HELD_OUT)
    predictor = Predictor.load(paths.model, threads=2)
    found = predict_table(predictor, table, paths.raw / catalog.IMAGE_TRAIN)
    return [prediction.features for prediction in found]


def many(rows: list[FeatureRow], count: int) -> list[FeatureRow]:
    """Copies that are told apart by their title's length."""
    return [
        cast(FeatureRow, {**rows[n % len(rows)], "designation_length": n}) for n in range(count)
    ]


def test_the_reference_is_the_held_out_rows_as_serving_would_see_them(
    reference: list[FeatureRow], held_out: list[FeatureRow]
) -> None:
    assert reference == held_out


def test_its_confidence_is_that_of_rows_the_model_has_not_seen(
    trained_project: Project, reference: list[FeatureRow]
) -> None:
    paths, _ = trained_project
    merged = read_csv(paths.interim / "merged_train.csv")
    out = set(read_csv(paths.processed / HELD_OUT)["index"])
    seen = merged[~merged["index"].isin(out)].head(100)
    learned = predict_table(
        Predictor.load(paths.model), seen, paths.raw / catalog.IMAGE_TRAIN, batch_size=100
    )
    assert np.mean([p.confidence for p in learned]) > 0.1 + np.mean(
        [row["confidence"] for row in reference]
    )


def test_a_large_sample_is_bounded_seeded_and_like_its_rows(held_out: list[FeatureRow]) -> None:
    rows = many(held_out, 3 * REFERENCE_ROWS)
    columns = reference_arrays(rows, seed=3)
    lengths = columns["designation_length"]
    assert len(lengths) == len(set(lengths.tolist())) == REFERENCE_ROWS
    assert (np.diff(lengths) > 0).all()
    again, other = (reference_arrays(rows, seed=seed)["designation_length"] for seed in (3, 4))
    assert np.array_equal(lengths, again)
    assert not np.array_equal(lengths, other)
    everything = feature_columns(rows)
    # Four standard errors of a mean of 2,000.
    for name in ("confidence", "digit_share", "has_description"):
        error = everything[name].std() / np.sqrt(REFERENCE_ROWS)
        assert abs(columns[name].mean() - everything[name].mean()) < 4 * error
    for language in ("fr", "unknown"):
        share = (everything["language"] == language).mean()
        assert abs((columns["language"] == language).mean() - share) < 0.05


def test_the_manifest_vouches_for_the_reference(trained_project: Project) -> None:
    model = trained_project[0].model
    manifest = json.loads((model / MANIFEST).read_text())
    assert manifest["files"]["reference.npz"] == sha256_file(model / "reference.npz")
    assert manifest["reference"] == {
        "rows": len(read_reference(model)),
        "source": "held-out rows",
    }
    assert (model / "reference.npz").stat().st_size < 1_000_000


def test_an_altered_reference_is_refused(tmp_path: Path, held_out: list[FeatureRow]) -> None:
    model = tmp_path / "model"
    write_model(model, {"reference": reference_arrays(held_out, seed=0)}, [], {})
    assert len(read_reference(model)) == len(held_out)
    data = bytearray((model / "reference.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (model / "reference.npz").write_bytes(data)
    with pytest.raises(ModelError, match=r"reference.npz does not match its hash"):
        read_reference(model)


def test_an_incomplete_reference_is_refused(tmp_path: Path, held_out: list[FeatureRow]) -> None:
    columns = {**reference_arrays(held_out, seed=0)}
    short = {**columns, "confidence": columns["confidence"][:-1]}
    del columns["language"]
    for number, arrays in enumerate((columns, short)):
        write_model(tmp_path / str(number), {"reference": arrays}, [], {})
        with pytest.raises(ModelError, match="incomplete reference sample"):
            read_reference(tmp_path / str(number))
    with pytest.raises(ModelError, match="no model"):
        read_reference(tmp_path / "nothing")
