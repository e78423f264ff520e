"""Commands that look and change nothing: summary, doctor."""

import typer

from rakuten.cli.context import project


def summary(context: typer.Context) -> None:
    """Show the last scores, where things are, and what to try next."""
    from rakuten.cli import render
    from rakuten.io import read_json
    from rakuten.models.model_directory import read_manifest

    current = project(context)
    paths, console = current.paths, render.out()
    manifest = read_manifest(paths.model)
    held_out = manifest["scores"]["held_out"]
    names = {
        "weighted F1": "weighted_f1",
        "macro F1": "macro_f1",
        "answered automatically": "coverage",
        "precision of those": "auto_precision",
    }
    console.print()
    console.print(
        render.pairs(
            f"{held_out['rows']} held-out products, {len(manifest['classes'])} types",
            {shown: held_out[name] for shown, name in names.items()},
        )
    )
    if (paths.raw / "sample.json").is_file():
        rows = read_json(paths.raw / "sample.json").get("rows")
        console.print(f"(synthetic sample of {rows} products: the scores only show that it works)")
    uri = current.settings.mlflow_tracking_uri
    console.print()
    console.print(
        render.pairs(
            "where things are",
            {
                "model": paths.model,
                "predictions": paths.predictions,
                "reports": paths.reports,
                "runs": uri or "mlflow.db, mlartifacts/",
            },
        )
    )
    console.print()
    console.print(
        render.pairs(
            "what to try next",
            {
                "your own catalogue": "rakuten data import FOLDER && make pipeline",
                "the runs in a browser": "make ui",
                "something is wrong": "rakuten doctor",
            },
        )
    )


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(summary)
