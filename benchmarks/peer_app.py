"""The peers' way to serve this challenge, as plain as they write it, to be measured beside.

    python benchmarks/peer_app.py CATALOG FOLDER     train on a catalogue, into a folder
    PEER_FOLDER=FOLDER uvicorn --app-dir benchmarks peer_app:app

TF-IDF and logistic regression behind ``mlflow.pyfunc``; each request becomes a row of pandas,
and each answer a line of a CSV file. No keys, no limits, and nothing is synced to the disk.
"""

import csv
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel


class Listing(BaseModel):
    """What a seller writes."""

    designation: str
    description: str = ""


class TextModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A pipeline of scikit-learn that sees title and description as one text."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def predict(self, _: Any, model_input: Any) -> Any:
        """Classes and their probabilities, a row each."""
        text = model_input["designation"] + " " + model_input["description"]
        return pd.DataFrame(
            self.pipeline.predict_proba(text), columns=self.pipeline.classes_, index=text.index
        )


def train(catalog: Path, folder: Path) -> None:
    """Train on the training side of a catalogue and save the model for MLflow."""
    from model import make_peer, read_sides

    table, _ = read_sides(catalog)
    text = table["designation"] + " " + table["description"]
    pipeline = make_peer().fit(text, table["prdtypecode"].astype(int))
    shutil.rmtree(folder, ignore_errors=True)
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=TextModel(pipeline),
        pip_requirements=["scikit-learn", "pandas"],
        code_paths=[__file__],
    )


def make_app(folder: Path) -> FastAPI:
    """The application around a model that :func:`train` saved."""
    app = FastAPI()
    model = mlflow.pyfunc.load_model(str(folder / "model"))
    log = folder / "predictions.csv"

    @app.post("/predict")
    def predict(listing: Listing) -> dict[str, Any]:
        row = pd.DataFrame([listing.model_dump()])
        probabilities = model.predict(row).iloc[0].sort_values(ascending=False)
        answer = {
            "prediction_id": str(uuid4()),
            "prdtypecode": int(probabilities.index[0]),
            "confidence": float(probabilities.iloc[0]),
            "alternatives": {int(code): float(p) for code, p in probabilities[1:4].items()},
        }
        with log.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(
                [datetime.now(UTC).isoformat(), *row.iloc[0].tolist(), *list(answer.values())[:3]]
            )
        return answer

    return app


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]))
elif os.environ.get("PEER_FOLDER"):
    app = make_app(Path(os.environ["PEER_FOLDER"]))
