"""The command evaluate: how good the answers are, for people and for machines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rakuten.cli.context import Project, project

if TYPE_CHECKING:
    from rich.table import Table

    from rakuten.models.evaluate import Evaluation

_SCORES: Final = (
    "weighted_f1",
    "macro_f1",
    "accuracy",
    "calibration_error",
    "coverage",
    "auto_precision",
)
_TYPES: Final = {
    "prdtypecode": "prdtypecode",
    "label": "label",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "support": "support",
    "automatic": "auto",
    "auto_correct": "right",
    "auto_precision": "auto_prec",
}
_SLICES: Final = {
    "dimension": "slice",
    "name": "",
    "rows": "rows",
    "weighted_f1": "weighted_f1",
    "accuracy": "accuracy",
    "mean_confidence": "confidence",
    "automatic": "auto",
    "auto_correct": "right",
    "auto_precision": "auto_prec",
}
"""Attributes and their headings: ``auto`` answers, of which so many are ``right``."""

_MISTAKES: Final = 10


def evaluate(
    context: typer.Context,
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV of true labels (index, prdtypecode) for a predictions file."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="With --labels: file to score [data/processed/predictions.csv]."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--input", help="With --labels: CSV that was predicted [X_test.csv]."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="With --labels: folder of its photos [image_test of data/raw; none with --input]."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.html and evaluation.json [reports].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Score the current model on its held-out rows, or a predictions file against labels.

    Writes evaluation.html, a page for people, and evaluation.json with the same numbers.
    """
    from rakuten.cli import render
    from rakuten.errors import ConfigurationError
    from rakuten.stages.evaluate import evaluation_json, write_evaluation

    if labels is None and (predictions or table or images):
        raise ConfigurationError(
            "--predictions, --input and --images need --labels: the true answers.",
            hint="without them, rakuten evaluate scores the model on its held-out rows",
        )
    current = project(context)
    found = _evaluate(current, labels, predictions, table, images)
    page = write_evaluation(found, out or current.paths.reports)
    if as_json:
        typer.echo(evaluation_json(found))
        return
    _show(found)
    render.out().print(f"page: {page}", markup=False)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(evaluate)


def _evaluate(
    current: Project,
    labels: Path | None,
    predictions: Path | None,
    table: Path | None,
    images: Path | None,
) -> "Evaluation":
    from rakuten.cli import render
    from rakuten.stages.evaluate import evaluate_held_out, evaluate_predictions
    from rakuten.stages.train import read_names

    paths, threads = current.paths, current.settings.rakuten_threads
    if labels is None:
        with render.progress_bar("answering held-out rows") as progress:
            return evaluate_held_out(paths, threads=threads, note=render.note, progress=progress)
    with render.progress_bar("looking at photos") as progress:
        return evaluate_predictions(
            predictions or paths.predictions,
            labels,
            table or paths.raw_file("X_test.csv"),
            images or (paths.test_images if table is None else None),
            read_names(paths),
            threads=threads,
            note=render.note,
            progress=progress,
        )


def _show(found: "Evaluation") -> None:
    from rakuten.cli import render

    console = render.out()
    rows = [[name, found.scores[name], _range(found.intervals[name])] for name in _SCORES]
    console.print(render.table(f"{found.rows} rows", ("score", "value", "95 % interval"), rows))
    if found.unlabelled or found.unpredicted:
        console.print(
            f"{found.unlabelled} predictions without a label, "
            f"{found.unpredicted} labels without a prediction"
        )
    if found.never_predicted:
        codes = ", ".join(map(str, found.never_predicted))
        console.print(f"never the answer although they occur: {codes}")
    slices = [part for part in found.slices if part.rows]
    console.print(_table("by slice", _SLICES, slices))
    console.print(_table("by product type", _TYPES, found.per_class))
    rows = [
        [pair.actual, pair.predicted, pair.count, pair.actual_label, pair.predicted_label]
        for pair in found.confused[:_MISTAKES]
    ]
    columns = ("actual", "predicted", "count", "", "")
    console.print(render.table("most frequent mistakes", columns, rows))


def _table(title: str, columns: Mapping[str, str], scores: Sequence[object]) -> "Table":
    from rakuten.cli import render

    rows = [[getattr(entry, name) for name in columns] for entry in scores]
    return render.table(title, list(columns.values()), rows)


def _range(interval: tuple[float, float] | None) -> str | None:
    return f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else None
