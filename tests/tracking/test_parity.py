"""One inference path: the predict stage, the pyfunc and the Predictor answer alike."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rakuten import catalog
from rakuten.data.schema import read_products
from rakuten.io import read_csv
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Prediction, Predictor, Product
from rakuten.params import Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.track import track_training
from rakuten.stages.train import TrainOutcome

EQUAL_BATCH = 1e-6
OTHER_BATCH = 1e-5

_SCRIPT = """
import importlib.util, json, sys
sys.path[:] = [path for path in sys.path if "{source}" not in path]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in type(f).__module__]
assert importlib.util.find_spec("rakuten") is None, "the project is still importable"
import mlflow, pandas
mlflow.set_tracking_uri("{uri}")
model = mlflow.pyfunc.load_model("{model}")
import rakuten
assert "{source}" not in rakuten.__file__
print(model.predict(pandas.read_pickle("{frame}")).to_json(orient="records"))
"""


@pytest.fixture(scope="module")
def answers(
    trained_project: tuple[ProjectPaths, TrainOutcome],
) -> tuple[list[Product], list[Prediction]]:
    """Test products with their photos' bytes, and the Predictor's answers in one batch."""
    paths, _ = trained_project
    table = read_products(paths.raw_file(catalog.X_TEST))
    products = [
        Product(p.designation, p.description, _bytes(p.image))
        for p in table_products(table, paths.test_images)
    ]
    return products, Predictor.load(paths.model).predict(products)


def _bytes(path: Any) -> bytes | None:
    return path.read_bytes() if path is not None and path.is_file() else None


@pytest.fixture(scope="module")
def model_uri(
    trained_project: tuple[ProjectPaths, TrainOutcome],
    quick_params: Params,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, str]:
    """Tracking address and model address of a logged pyfunc."""
    paths, outcome = trained_project
    root = tmp_path_factory.mktemp("pyfunc")
    shutil.copytree(paths.root, root, dirs_exist_ok=True)
    settings = Settings()
    logged = track_training(outcome, ProjectPaths(root), quick_params, settings, seconds=1.0)
    return settings.tracking_uri(root), f"runs:/{logged.run_id}/model"


def _frame(products: list[Product]) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "designation": [p.designation for p in products],
            "description": [p.description for p in products],
            "image": [p.image for p in products],
        }
    )


def _assert_same(found: list[dict[str, Any]], expected: list[Prediction], within: float) -> None:
    assert [int(row["prdtypecode"]) for row in found] == [p.prdtypecode for p in expected]
    assert [row["decision"] for row in found] == [p.decision for p in expected]
    confidence = np.array([float(row["confidence"]) for row in found])
    assert np.abs(confidence - [p.confidence for p in expected]).max() <= within
    for row, prediction in zip(found, expected, strict=True):
        others = {a["prdtypecode"]: a["probability"] for a in json.loads(row["alternatives"])}
        for alternative in prediction.alternatives:
            assert others[alternative.prdtypecode] == pytest.approx(
                alternative.probability, abs=within
            )


def test_the_predict_stage_answers_as_the_predictor(
    trained_project: tuple[ProjectPaths, TrainOutcome],
    answers: tuple[list[Product], list[Prediction]],
) -> None:
    rows = read_csv(trained_project[0].predictions).to_dict(orient="records")
    _assert_same(rows, answers[1], EQUAL_BATCH)


def test_the_pyfunc_answers_as_the_predictor(
    model_uri: tuple[str, str], answers: tuple[list[Product], list[Prediction]]
) -> None:
    import mlflow

    mlflow.set_tracking_uri(model_uri[0])
    model = mlflow.pyfunc.load_model(model_uri[1])
    products, expected = answers
    _assert_same(model.predict(_frame(products)).to_dict("records"), expected, EQUAL_BATCH)
    one = model.predict(_frame(products[:1]))
    _assert_same(one.to_dict("records"), expected[:1], OTHER_BATCH)


def test_the_pyfunc_takes_titles_alone(
    model_uri: tuple[str, str], answers: tuple[list[Product], list[Prediction]]
) -> None:
    import mlflow

    mlflow.set_tracking_uri(model_uri[0])
    model = mlflow.pyfunc.load_model(model_uri[1])
    found = model.predict(_frame(answers[0])[["designation"]], params={"alternatives": 1})
    assert len(found) == len(answers[0])
    assert {len(json.loads(entry)) for entry in found["alternatives"]} == {1}


def test_the_pyfunc_loads_where_the_project_is_not_installed(
    model_uri: tuple[str, str],
    answers: tuple[list[Product], list[Prediction]],
    tmp_path: Path,
) -> None:
    products, expected = answers[0][:5], answers[1][:5]
    frame = tmp_path / "frame.pkl"
    _frame(products).to_pickle(frame)
    source = Path(__file__).resolve().parents[2] / "src"
    script = _SCRIPT.format(source=source, uri=model_uri[0], model=model_uri[1], frame=frame)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    _assert_same(json.loads(done.stdout.splitlines()[-1]), expected, OTHER_BATCH)


def test_the_input_example_holds_every_column_and_has_an_answer(
    model_uri: tuple[str, str],
) -> None:
    import mlflow

    mlflow.set_tracking_uri(model_uri[0])
    model = mlflow.pyfunc.load_model(model_uri[1])
    example = model.input_example
    assert list(example.columns) == ["designation", "description", "image"]
    assert isinstance(example["image"][0], bytes)
    assert model.predict(example)["prdtypecode"][0] > 0


def test_a_saved_model_holds_no_pickle(model_uri: tuple[str, str]) -> None:
    import mlflow

    mlflow.set_tracking_uri(model_uri[0])
    folder = Path(mlflow.artifacts.download_artifacts(model_uri[1]))
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib", ".pt"}
