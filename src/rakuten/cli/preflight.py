"""The command preflight: can the pipeline write its results?"""

from typing import Annotated

import typer

from rakuten.cli.context import project


def preflight(
    context: typer.Context,
    push: Annotated[
        bool, typer.Option("--push", help="DVC's remote has to take objects, too (for dvc push).")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show what is wrong alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check that disk, tracking store and artifact store take what the pipeline will write.

    Each gets a small file that is deleted again. What does not answer is a warning: runs wait
    on disk. The exit code is 1 where something refuses or the disk is full.
    """
    from rakuten.cli import render
    from rakuten.stages.preflight import run_preflight

    current = project(context)
    if current.settings.rakuten_preflight == "off":
        render.note("preflight is switched off: RAKUTEN_PREFLIGHT=off")
        return
    found = run_preflight(current.paths, current.settings, current.params.features, push=push)
    if quiet:
        found = [check for check in found if check.state in ("failed", "warning")]
    render.checks(found, as_json=as_json)
    if any(check.state == "failed" for check in found):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(preflight)
