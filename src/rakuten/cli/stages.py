"""Commands of the pipeline: ingest, features, train, predict."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rakuten.cli.context import project

_SCORES = ("weighted_f1", "macro_f1", "accuracy", "calibration_error", "coverage", "auto_precision")


class Form(StrEnum):
    """Forms of a predictions file."""

    full = "full"
    challenge = "challenge"


def ingest(context: typer.Context) -> None:
    """Join, check and sort the training rows of data/raw into data/interim.

    A bad row is set aside in rejected.csv with its reason; ingest_report.json has the counts.
    """
    from rakuten.cli import render
    from rakuten.stages.ingest import run_ingest

    current = project(context)
    current.preflight("ingest")
    with render.progress_bar("checking photos") as progress:
        outcome = run_ingest(
            current.paths, threads=current.settings.rakuten_threads, progress=progress
        )
    report = outcome.report
    render.out().print(
        f"ingest: {report.accepted} of {report.x_rows} rows accepted, "
        f"{len(report.product_types)} product types → {current.paths.interim}"
    )


def features(context: typer.Context) -> None:
    """Clean texts and encode photos of the accepted rows into data/processed."""
    from rakuten.cli import render
    from rakuten.stages.features import run_features

    current = project(context)
    current.preflight("features")
    with render.progress_bar("encoding photos") as progress:
        outcome = run_features(
            current.paths,
            current.params.features,
            threads=current.settings.rakuten_threads,
            cache=current.cache,
            progress=progress,
        )
    render.out().print(
        f"features: {outcome.rows} rows, {outcome.with_image} with a photo of "
        f"{outcome.dimension} numbers → {current.paths.processed}"
    )


def train(context: typer.Context) -> None:
    """Train the model, score the held-out rows and log the run.

    Writes models/classifier, reports/ and data/processed/heldout.csv. If the tracking server
    is away the run waits on disk: rakuten runs resume.
    """
    from rakuten.cli import render
    from rakuten.stages.track import track_training
    from rakuten.stages.train import run_train

    current = project(context)
    current.preflight("train")
    threads, start = current.settings.rakuten_threads, time.monotonic()
    with render.progress_bar("scoring held-out rows") as progress:
        outcome = run_train(
            current.paths,
            current.params,
            threads=threads,
            cache=current.cache,
            note=render.note,
            progress=progress,
        )
    seconds = time.monotonic() - start
    held_out = outcome.metrics["held_out"]
    shown = {name: held_out[name] for name in _SCORES}
    render.out().print(render.pairs(f"train: {held_out['rows']} held-out rows", shown))
    render.note("logging the run")
    logged = track_training(
        outcome, current.paths, current.params, current.settings, seconds=seconds
    )
    if logged.run_id:
        render.out().print(f"run {logged.run_id} → {current.settings.mlflow_experiment_name}")
    else:
        render.err().print(
            f"the run waits in {logged.waiting}; log it later: rakuten runs resume", markup=False
        )


def predict(
    context: typer.Context,
    table: Annotated[
        Path | None, typer.Option("--input", help="CSV to score [data/raw/X_test.csv].")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of its photos [image_test of data/raw; none with --input]."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="CSV to write [data/processed/predictions.csv].")
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="full, or the challenge's submission form.")
    ] = Form.full,
    model: Annotated[Path | None, typer.Option(help="Model directory [models/classifier].")] = None,
) -> None:
    """Predict X_test.csv, or any file in its form; one row out for each row in.

    A row whose photo is missing or broken is answered from its text; one with neither gets
    the most frequent type and goes to review.
    """
    from rakuten.cli import render
    from rakuten.errors import ConfigurationError
    from rakuten.stages.predict import run_predict

    current = project(context)
    paths = current.paths
    if table is not None and output is None:
        raise ConfigurationError("--input needs --output: the file to write.")
    if table is None:
        images = images or paths.test_images
    current.preflight("predict", table=table, output=output)
    with render.progress_bar("predicting") as progress:
        outcome = run_predict(
            model or paths.model,
            table or paths.raw_file("X_test.csv"),
            images,
            output or paths.predictions,
            current.params.predict,
            form=form.value,
            threads=current.settings.rakuten_threads,
            cache=current.cache,
            progress=progress,
        )
    render.out().print(
        f"predict: {outcome.rows} rows, {outcome.automatic} automatic, "
        f"{outcome.rows - outcome.automatic} for review; photos {_counts(outcome.images)}"
        f" → {outcome.output}",
        markup=False,
    )


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (ingest, features, train, predict):
        app.command()(command)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
