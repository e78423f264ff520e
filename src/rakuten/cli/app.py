"""The ``rakuten`` command: one Typer app, a module a group."""

import atexit
import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rakuten import __version__
from rakuten.cli import (
    dashboards,
    data,
    evaluate,
    execute,
    exporter,
    feedback,
    flow,
    models,
    monitor,
    observability,
    preflight,
    promotion,
    runs,
    serve,
    simulate,
    stack,
    stages,
    status,
)
from rakuten.cli.context import Project
from rakuten.errors import RakutenError

app = typer.Typer(
    name="rakuten",
    help="Multimodal product classification: from a catalogue to traced, calibrated predictions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rakuten-classifier {__version__}")
        raise typer.Exit


@app.callback()
def rakuten(
    context: typer.Context,
    root: Annotated[
        Path, typer.Option(help="Project folder: where params.yaml and data/ are.")
    ] = Path(),
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Multimodal product classification: from a catalogue to traced, calibrated predictions."""
    context.obj = Project(root)


stages.register(app)
evaluate.register(app)
preflight.register(app)
status.register(app)
promotion.add_to(app)
models.register(app)
serve.register(app)
simulate.register(app)
monitor.register(app)
data.register(app)
feedback.register(app)
execute.register(app)
exporter.register(app)
app.add_typer(runs.app, name="runs")
app.add_typer(flow.app, name="flow")
dashboards.register(observability.app)
app.add_typer(observability.app, name="observability")
app.add_typer(stack.app, name="stack")


def main() -> None:
    """Run the command line; an expected error is one clear message and a non-zero exit."""
    # Several BLAS threads beside our own thrash on small machines and round differently.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Where MLflow or Prefect was imported, the last search for cycles in memory takes a second.
    atexit.register(gc.freeze)
    try:
        app()
    except RakutenError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("stopped; nothing half-written was left in place", err=True)
        sys.exit(130)


def run_command(name: str) -> None:
    """Run one command with this process's arguments (``python -m rakuten.models.train_model``)."""
    sys.argv[:1] = ["rakuten", name]
    main()
