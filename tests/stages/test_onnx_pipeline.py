"""With a network as image encoder the pipeline runs to the end, and the model needs no hub."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ContractError, MissingExtraError, ModelError
from rakuten.features.onnx_encoder import WEIGHTS, OnnxEncoder
from rakuten.io import read_csv, read_json, sha256_file
from rakuten.models.golden import check_golden
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Predictor
from rakuten.params import FeaturesParams, Params
from rakuten.settings import ProjectPaths
from rakuten.stages.features import ENCODER, MANIFEST, TABLE, VECTORS, read_features, run_features
from rakuten.stages.ingest import run_ingest
from rakuten.stages.predict import run_predict
from rakuten.stages.train import run_train
from rakuten.tracking.pyfunc import requirements
from tests.features.networks import save_network


@dataclass(frozen=True)
class Project:
    paths: ProjectPaths
    params: Params
    cache: Path


@pytest.fixture(scope="module")
def project(
    sample_catalogue: Path, quick_params: Params, make_project: Callable[[Path], ProjectPaths]
) -> Project:
    """Trained with a network that is gone since; the cache knows all training photos."""
    paths = make_project(sample_catalogue)
    onnx = save_network(paths.root / "network.onnx").model_copy(update={"path": "network.onnx"})
    features = FeaturesParams(image_encoder="onnx", onnx=onnx)
    made = Project(
        paths, quick_params.model_copy(update={"features": features}), paths.root / "cache"
    )
    run_ingest(paths, threads=2)
    run_features(paths, features, threads=2, cache=made.cache)
    run_train(paths, made.params, threads=2, cache=made.cache)
    shutil.move(paths.root / "network.onnx", paths.root / "elsewhere.onnx")
    return made


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that the network really encoded."""
    sizes: list[int] = []
    original = OnnxEncoder.encode_pixels

    def count(self: OnnxEncoder, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(OnnxEncoder, "encode_pixels", count)
    return sizes


def score(project: Project, output: Path, cache: Path | None) -> bytes:
    paths = project.paths
    table, images = paths.raw / "X_test.csv", paths.test_images
    run_predict(paths.model, table, images, output, project.params.predict, threads=2, cache=cache)
    return output.read_bytes()


def copy_model(project: Project, tmp_path: Path) -> Path:
    return Path(shutil.copytree(project.paths.model, tmp_path / "model"))


def test_the_model_directory_holds_the_network_and_vouches_for_it(project: Project) -> None:
    manifest = read_json(project.paths.model / "manifest.json")
    sha256 = project.params.features.onnx.sha256
    assert manifest["files"][WEIGHTS] == sha256_file(project.paths.model / WEIGHTS) == sha256
    assert manifest["image_encoder"]["name"] == "onnx"
    assert manifest["branches"] == ["image", "joint", "text"]
    assert str(project.paths.root) not in json.dumps(manifest)
    made = read_json(project.paths.processed / MANIFEST)["image_encoder"]
    assert manifest["image_encoder"] == made
    pins = dict(line.split("==") for line in requirements(project.paths.model))
    assert pins["onnxruntime"] == manifest["libraries"]["onnxruntime"]


def test_the_model_predicts_where_the_network_came_from_nowhere(
    project: Project, tmp_path: Path
) -> None:
    model = copy_model(project, tmp_path)
    assert check_golden(Predictor.load(model), model) < 1e-5
    score(project, tmp_path / "predictions.csv", None)
    rows = read_csv(tmp_path / "predictions.csv")
    products = schema.read_products(project.paths.raw / "X_test.csv")
    assert rows["index"].tolist() == products["index"].tolist()


def test_training_vectors_equal_the_predictors(project: Project) -> None:
    table, vectors, _ = read_features(project.paths)
    raw = schema.read_products(project.paths.raw / catalog.X_TRAIN)
    raw = raw.set_index("index", drop=False).loc[table["index"]].reset_index(drop=True)
    products = list(table_products(raw, project.paths.raw / catalog.IMAGE_TRAIN))
    found = Predictor.load(project.paths.model, threads=2).encode(products).vectors
    np.testing.assert_allclose(found, vectors, atol=1e-6)
    alone = Predictor.load(project.paths.model).encode(products[:1]).vectors
    np.testing.assert_allclose(alone, vectors[:1], atol=1e-6)


def test_a_second_run_of_features_reads_only(
    project: Project, tmp_path: Path, encoded: list[int]
) -> None:
    again = ProjectPaths(tmp_path)
    again.interim.mkdir(parents=True)
    shutil.copy2(project.paths.interim / "merged_train.csv", again.interim)
    again.raw.symlink_to(project.paths.raw)
    shutil.copy2(project.paths.root / "elsewhere.onnx", tmp_path / "network.onnx")
    for cache in (project.cache, None):
        run_features(again, project.params.features, threads=2, cache=cache)
        assert bool(encoded) == (cache is None)
        for name in (TABLE, VECTORS, MANIFEST, f"{ENCODER}/{WEIGHTS}"):
            first = (project.paths.processed / name).read_bytes()
            assert (again.processed / name).read_bytes() == first


def test_predicting_again_reads_only_and_answers_the_same(
    project: Project, tmp_path: Path, encoded: list[int]
) -> None:
    plain = score(project, tmp_path / "plain.csv", None)
    cold = score(project, tmp_path / "cold.csv", tmp_path / "cache")
    assert encoded
    encoded.clear()
    warm = score(project, tmp_path / "warm.csv", tmp_path / "cache")
    assert encoded == []
    assert plain == cold == warm


def test_training_scores_held_out_rows_from_the_cache(
    project: Project,
    encoded: list[int],
    make_project: Callable[[Path], ProjectPaths],
    sample_catalogue: Path,
) -> None:
    paths = make_project(sample_catalogue)
    shutil.copytree(project.paths.interim, paths.interim)
    shutil.copytree(project.paths.processed, paths.processed)
    run_train(paths, project.params, threads=2, cache=project.cache)
    golden = json.loads((paths.model / "golden.json").read_text())
    photos = sum(entry["image"] is not None for entry in golden)
    # What is left are the golden products, as trained and as loaded again.
    assert sum(encoded) <= 2 * photos
    assert sha256_file(paths.model / "manifest.json") == sha256_file(
        project.paths.model / "manifest.json"
    )


def test_features_of_another_encoder_are_refused(project: Project, tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    shutil.copytree(project.paths.processed, paths.processed)
    path = paths.processed / ENCODER / "encoder.json"
    path.write_text(path.read_text().replace('"onnx"', '"descriptor"', 1))
    with pytest.raises(ContractError, match=r"encoder\.json"):
        read_features(paths)


def test_an_altered_network_in_a_model_is_refused(project: Project, tmp_path: Path) -> None:
    model = copy_model(project, tmp_path)
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(ModelError, match=WEIGHTS):
        Predictor.load(model)


def test_another_network_under_a_forged_hash_is_refused(project: Project, tmp_path: Path) -> None:
    model = copy_model(project, tmp_path)
    save_network(model / WEIGHTS, seed=1)
    manifest: dict[str, Any] = read_json(model / "manifest.json")
    manifest["files"][WEIGHTS] = sha256_file(model / WEIGHTS)
    (model / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="sha256"):
        Predictor.load(model)


def test_a_model_says_how_to_install_what_its_network_needs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as caught:
        Predictor.load(project.paths.model)
    assert "pip install '.[deep]'" in str(caught.value)
