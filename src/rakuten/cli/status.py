"""Commands that look and change nothing: summary, doctor."""

from typing import Annotated

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
                "the scores in a browser": "rakuten evaluate, then reports/evaluation.html",
                "your own catalogue": "rakuten data import FOLDER && make pipeline",
                "the runs in a browser": "make ui",
                "something is wrong": "rakuten doctor",
            },
        )
    )


def doctor(
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Hash the data to name stale stages.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check Python, settings, data, tracking, credentials, DVC, the model and the store.

    Changes nothing. The exit code is 1 where a check failed.
    """
    import os

    from rakuten.cli import render
    from rakuten.errors import ConfigurationError
    from rakuten.stages.doctor import run_doctor, usable_settings

    current, shell = project(context), dict(os.environ)
    try:
        settings = current.settings
    except ConfigurationError:
        settings = usable_settings()  # the check of the settings says what is wrong with them
    checks = run_doctor(current.paths, settings, full=full, shell=shell)
    render.checks(checks, as_json=as_json)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(summary)
    app.command()(doctor)
