"""From corrected answers to a model that learned from them, on the sample."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from rakuten.features.encoder import create_encoder
from rakuten.io import read_csv, read_json, sha256_file
from rakuten.models.predictor import Predictor, Product
from rakuten.params import FeedbackParams, Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.features import read_features, run_features
from rakuten.stages.feedback import export_feedback
from rakuten.stages.ingest import IngestOutcome, run_ingest
from rakuten.stages.track import track_training
from rakuten.stages.train import TrainOutcome, run_train
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.media import FolderMedia
from rakuten.store.predictions import insert_predictions
from tests.data.test_make_dataset import photo
from tests.store.material import make_feedback, make_record

Trained = tuple[ProjectPaths, TrainOutcome]
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
TITLE = "Objet volant\ud800 non identifié <b>NEUF</b>"
WRONG = "2705"
"""What people say, twelve times, of a product of the catalogue that is something else."""


class Corrected:
    """A project with corrections of every kind, trained once."""

    def __init__(self, root: Path, trained: Trained, params: Params) -> None:
        shutil.copytree(trained[0].root, root)
        self.paths, self.params, self.plain = ProjectPaths(root), params, trained[1]
        self.media = FolderMedia(root / ".rakuten" / "media")
        self.database = Database(Settings().store_url(root))
        self.database.migrate()
        self.held_out = read_csv(self.paths.processed / "heldout.csv")
        merged = read_csv(self.paths.interim / "merged_train.csv")
        ours = merged[~merged["index"].isin(self.held_out["index"])]
        usable = ours[(ours["image_status"] == "ok") & (ours["prdtypecode"] != WRONG)]
        self.product = usable.iloc[0].to_dict()
        self.say(self.product, WRONG, times=12)
        self.say(self.held_out.iloc[0].to_dict(), WRONG)
        self.say({**self.product, "designation": "licorne"}, "9999")
        self.new = self.media.put(photo())
        for code in ("10", "10", "40"):
            self.say({"designation": TITLE, "description": "", "image_path": ""}, code, self.new)
        export_feedback(self.database, self.media, self.paths.feedback)
        self.ingested: IngestOutcome = run_ingest(self.paths, threads=2)
        run_features(self.paths, params.features, threads=2)
        self.trained = self.train(1.0)

    def say(
        self, product: dict[str, Any], code: str, image: str | None = None, times: int = 1
    ) -> None:
        """Answers for a product, each corrected."""
        path = self.paths.raw / product["image_path"]
        image = image or (self.media.put(path.read_bytes()) if path.is_file() else None)
        for _ in range(times):
            record = replace(
                make_record(image_sha256=image),
                designation=product["designation"],
                description=product["description"],
            )
            said = make_feedback(record.prediction_id, prdtypecode=int(code), given_at=NOON)
            with self.database.write() as connection:
                insert_predictions(connection, [record])
                put_feedback(connection, [said])

    def train(self, weight: float) -> TrainOutcome:
        params = self.params.model_copy(update={"feedback": FeedbackParams(weight=weight)})
        return run_train(self.paths, params, threads=2)


@pytest.fixture(scope="module")
def corrected(
    trained_project: Trained, quick_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Corrected:
    return Corrected(tmp_path_factory.mktemp("feedback") / "p", trained_project, quick_params)


def test_every_correction_is_accounted_for(corrected: Corrected) -> None:
    counts = corrected.ingested.report.feedback
    assert (counts["rows"], counts["accepted"]) == (17, 4)
    assert counts["rejected"] == {"outvoted": 1, "repeated": 12}
    assert counts["sha256"] == sha256_file(corrected.paths.feedback / "corrections.csv")
    assert corrected.ingested.report.x_rows == (
        corrected.ingested.report.accepted + sum(corrected.ingested.report.rejected.values())
    )
    rejected = read_csv(corrected.paths.interim / "rejected.csv")
    assert (rejected["source"] == "corrections.csv").sum() == 13
    assert corrected.trained.metrics["feedback"] == {
        "rows": 4,
        "used": 2,
        "dropped": {"held_out": 1, "unknown_type": 1, "weight_zero": 0},
        "replaced": 1,
        "weight": 1.0,
    }
    manifest = read_json(corrected.paths.model / "manifest.json")
    assert manifest["feedback"] == {"used": 2, "replaced": 1, "weight": 1.0}


def test_the_held_out_rows_are_the_same_byte_for_byte(
    corrected: Corrected, trained_project: Trained
) -> None:
    before, after = (
        paths.processed / "heldout.csv" for paths in (trained_project[0], corrected.paths)
    )
    assert before.read_bytes() == after.read_bytes()
    assert corrected.trained.split_fingerprint == trained_project[1].split_fingerprint
    assert corrected.trained.model_sha256 != trained_project[1].model_sha256


def test_a_correction_that_is_repeated_changes_the_answer(
    corrected: Corrected, trained_project: Trained
) -> None:
    product = corrected.product
    photo_bytes = (corrected.paths.raw / product["image_path"]).read_bytes()
    asked = Product(product["designation"], product["description"], photo_bytes)
    before, after = (
        Predictor.load(paths.model).predict([asked])[0]
        for paths in (trained_project[0], corrected.paths)
    )
    assert str(before.prdtypecode) == product["prdtypecode"]
    assert str(after.prdtypecode) == WRONG


def test_training_vectors_are_the_predictors(corrected: Corrected) -> None:
    """Through store, export, ingest and features: the raw text and the photo's bytes."""
    table, vectors, _ = read_features(corrected.paths)
    [place] = np.flatnonzero(table["image_sha256"] == corrected.new)
    row = table.iloc[place]
    assert row["clean_designation"] == "objet volant non identifie neuf"
    assert row["answers"] == "2"
    predictor = Predictor.load(corrected.paths.model)
    features = predictor.predict([Product(TITLE, "", photo())])[0].features
    for name in ("designation_length", "designation_words", "language"):
        assert str(features[name]) == row[name]
    assert features["upper_share"] == float(row["upper_share"])
    expected = create_encoder("descriptor").encode([photo()])[0]
    assert np.array_equal(vectors[place], expected)
    assert features["image_embedding"] is not None
    embedded = predictor.embedder.embed_images(np.asarray(vectors[[place]]))
    assert embedded is not None
    assert features["image_embedding"] == embedded[0].tolist()


def test_weight_zero_gives_the_model_without_corrections(
    corrected: Corrected, trained_project: Trained
) -> None:
    outcome = corrected.train(0.0)
    try:
        assert outcome.model_sha256 == trained_project[1].model_sha256
        assert outcome.metrics["feedback"]["dropped"]["weight_zero"] == 2
        assert outcome.metrics["feedback"]["used"] == 0
    finally:
        assert corrected.train(1.0).model_sha256 == corrected.trained.model_sha256


def test_the_run_says_which_corrections_the_model_saw(corrected: Corrected) -> None:
    (corrected.paths.feedback / "corrections.csv").unlink()  # a newer export is not what it saw
    settings = Settings()
    logged = track_training(
        corrected.trained, corrected.paths, corrected.params, settings, seconds=1.0
    )
    assert logged.run_id is not None
    client = mlflow.MlflowClient(settings.tracking_uri(corrected.paths.root))
    run = client.get_run(logged.run_id)
    counts = corrected.ingested.report.feedback
    assert run.data.tags["input_sha256.corrections.csv"] == counts["sha256"]
    assert run.data.params["feedback.weight"] == "1.0"
    assert run.data.metrics["feedback.used"] == 2
    assert run.data.metrics["feedback.dropped.held_out"] == 1
