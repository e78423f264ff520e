"""What training saw of a row is what the predictor sees of the same raw row."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.features.build_features import (
    KEPT,
    documents,
    image_vectors,
    text_features,
    write_vectors,
)
from rakuten.features.encoder import create_encoder
from rakuten.features.encoder_store import DESCRIPTION
from rakuten.features.rows import TextRow
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Predictor
from rakuten.params import FeaturesParams
from rakuten.settings import ProjectPaths
from rakuten.stages.features import (
    ENCODER,
    MANIFEST,
    TABLE,
    VECTORS,
    read_features,
    run_features,
)
from rakuten.stages.train import TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]


def chunks(*sizes: int) -> Iterator[NDArray[np.float32]]:
    start = 0
    for size in sizes:
        yield np.arange(start, start + size * 3, dtype=np.float32).reshape(size, 3)
        start += size * 3


def test_training_vectors_equal_the_predictors(trained_project: Project) -> None:
    paths, _ = trained_project
    table, vectors, _ = read_features(paths)
    raw = schema.read_products(paths.raw / catalog.X_TRAIN)
    raw = raw.set_index("index", drop=False).loc[table["index"]].reset_index(drop=True)
    predictor = Predictor.load(paths.model, threads=2)
    encoded = predictor.encode(list(table_products(raw, paths.raw / catalog.IMAGE_TRAIN)))
    assert encoded.vectors is not None
    assert encoded.image_status == table["image_status"].tolist()
    assert np.array_equal(encoded.vectors, vectors)
    seen = [(row.clean_designation, row.clean_description) for row in encoded.rows]
    assert seen == documents(table)
    assert predictor.text is not None
    trained_on = predictor.text.vectoriser.transform(documents(table))
    assert (predictor.text.vectoriser.transform(seen) != trained_on).nnz == 0


def test_feature_numbers_equal_the_predictors(trained_project: Project) -> None:
    paths, _ = trained_project
    table, _, _ = read_features(paths)
    raw = schema.read_products(paths.raw / catalog.X_TRAIN).head(40)
    raw = raw[raw["index"].isin(table["index"])]
    predictions = Predictor.load(paths.model).predict(
        list(table_products(raw, paths.raw / catalog.IMAGE_TRAIN))
    )
    rows = table.set_index("index").loc[raw["index"]]
    measured = [*TextRow.__annotations__, "image_status"]
    measured = [name for name in measured if not name.startswith("clean_")]
    for prediction, (_, row) in zip(predictions, rows.iterrows(), strict=True):
        found: dict[str, Any] = {**prediction.features}
        assert {name: str(found[name]) for name in measured} == dict(row[measured])


def test_the_feature_table_keeps_its_rows_in_order(trained_project: Project) -> None:
    paths, _ = trained_project
    table, vectors, manifest = read_features(paths)
    merged = pd.read_csv(paths.interim / "merged_train.csv", dtype=str, keep_default_na=False)
    assert table["index"].tolist() == merged["index"].tolist()
    assert len(table) == len(vectors) == manifest["rows"]
    assert set(KEPT) <= set(table.columns)
    assert manifest["image_encoder"]["dimension"] == vectors.shape[1]
    broken = (table["image_status"] != "ok").to_numpy()
    assert broken.any()
    assert not vectors[broken].any()
    assert np.abs(vectors[~broken]).sum(axis=1).min() > 0


def test_text_features_of_raw_rows_are_cleaned_and_measured() -> None:
    merged = pd.DataFrame(
        {
            **{column: ["x", "y"] for column in KEPT},
            "designation": ["<b>Table</b>", "null"],
            "description": ["", "10 CM"],
        },
        index=[4, 9],
    )
    table = text_features(merged)
    assert documents(table) == [("table", ""), ("null", "10cm")]
    assert table["has_markup"].tolist() == [1, 0]
    assert table.index.tolist() == [4, 9]


def test_image_vectors_skip_photos_that_ingest_refused(tmp_path: Path) -> None:
    merged = pd.DataFrame(
        {
            "source": ["X_train.csv", "corrections.csv"],
            "image_path": ["a.jpg", ""],
            "image_status": ["unreadable", "missing"],
        }
    )
    encoder = create_encoder("descriptor")
    calls: list[tuple[int, int]] = []
    found = list(
        image_vectors(
            encoder, tmp_path, tmp_path, merged, progress=lambda a, b: calls.append((a, b))
        )
    )
    assert not np.concatenate(found).any()
    assert np.concatenate(found).shape == (2, encoder.dimension)
    assert calls == [(2, 2)]


def test_streamed_vectors_load_as_one_array(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    write_vectors(path, chunks(2, 5, 1), rows=8, dimension=3)
    loaded = np.load(path, allow_pickle=False)
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, np.arange(24, dtype=np.float32).reshape(8, 3))
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    assert np.array_equal(mapped, loaded)


def test_no_rows_load_as_an_empty_array(tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors.npy", chunks(), rows=0, dimension=3)
    assert np.load(tmp_path / "vectors.npy").shape == (0, 3)


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()], ids=repr)
def test_a_stream_that_breaks_leaves_no_file(tmp_path: Path, error: BaseException) -> None:
    def broken() -> Iterator[NDArray[np.float32]]:
        yield from chunks(2)
        raise error

    with pytest.raises(type(error)):
        write_vectors(tmp_path / "vectors.npy", broken(), rows=8, dimension=3)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_breaks_keeps_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    write_vectors(path, chunks(2), rows=2, dimension=3)
    before = path.read_bytes()

    def broken() -> Iterator[NDArray[np.float32]]:
        raise RuntimeError("no")
        yield

    with pytest.raises(RuntimeError):
        write_vectors(path, broken(), rows=8, dimension=3)
    assert path.read_bytes() == before


def copy_of(paths: ProjectPaths, tmp_path: Path) -> ProjectPaths:
    """A project with nothing but the outputs of features, to be spoilt."""
    copy = ProjectPaths(tmp_path)
    (copy.processed / ENCODER).mkdir(parents=True)
    for name in (TABLE, VECTORS, MANIFEST, f"{ENCODER}/{DESCRIPTION}"):
        (copy.processed / name).write_bytes((paths.processed / name).read_bytes())
    return copy


@pytest.mark.parametrize("name", [TABLE, VECTORS, f"{ENCODER}/{DESCRIPTION}"])
def test_features_that_do_not_belong_together_are_refused(
    trained_project: Project, tmp_path: Path, name: str
) -> None:
    paths = copy_of(trained_project[0], tmp_path)
    data = (paths.processed / name).read_bytes()
    (paths.processed / name).write_bytes(data[:-1])
    with pytest.raises(ContractError, match=name):
        read_features(paths)
    (paths.processed / name).unlink()
    with pytest.raises(ContractError, match=name):
        read_features(paths)


def test_features_without_a_manifest_have_not_run(trained_project: Project, tmp_path: Path) -> None:
    paths = copy_of(trained_project[0], tmp_path)
    (paths.processed / MANIFEST).unlink()
    with pytest.raises(DataNotFoundError, match=MANIFEST):
        read_features(paths)


def test_running_features_again_gives_the_same_bytes(
    trained_project: Project, tmp_path: Path
) -> None:
    paths, _ = trained_project
    again = ProjectPaths(tmp_path)
    again.interim.mkdir(parents=True)
    (again.interim / "merged_train.csv").write_bytes(
        (paths.interim / "merged_train.csv").read_bytes()
    )
    again.raw.symlink_to(paths.raw)
    run_features(again, FeaturesParams(), threads=1)
    for name in (TABLE, VECTORS, MANIFEST):
        assert (again.processed / name).read_bytes() == (paths.processed / name).read_bytes()
