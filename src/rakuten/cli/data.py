"""Commands about catalogues: sample, data import."""

from pathlib import Path
from typing import Annotated

import typer

from rakuten.cli.context import project

group = typer.Typer(help="Bring catalogues into data/raw.", no_args_is_help=True)


def sample(
    context: typer.Context,
    rows: Annotated[int, typer.Option(min=60, help="Number of products.")] = 3000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 42,
    out: Annotated[Path | None, typer.Option(help="Folder to write [data/raw].")] = None,
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing where the folder holds a catalogue.")
    ] = False,
) -> None:
    """Write a synthetic catalogue in the challenge's format.

    A sample is replaced freely; a catalogue of yours is never overwritten.
    """
    from rakuten.cli import render
    from rakuten.data.raw_folder import place_sample

    target = out or project(context).paths.raw
    with render.progress_bar("drawing photos") as progress:
        report = place_sample(target, rows=rows, seed=seed, if_empty=if_empty, progress=progress)
    if report is None:
        render.out().print(
            f"sample: {target} holds a catalogue already; left as it is", markup=False
        )
        return
    render.out().print(
        f"sample: {report.train_rows} training and {report.test_rows} test products of "
        f"{report.classes} types → {target}",
        markup=False,
    )


@group.command("import")
def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder in the challenge's format.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a catalogue of yours in data/raw.")
    ] = False,
) -> None:
    """Check a catalogue and bring it into data/raw by hard link or copy."""
    from rakuten.cli import render
    from rakuten.data.importer import import_catalogue

    target = project(context).paths.raw
    with render.progress_bar("bringing photos") as progress:
        report = import_catalogue(source, target, replace=replace, progress=progress)
    console = render.out()
    console.print(
        f"import: {report.train_rows} training and {report.test_rows} test products of "
        f"{report.product_types} types, {report.train_images + report.test_images} photos "
        f"→ {report.target}",
        markup=False,
    )
    for warning in report.warnings:
        render.err().print(f"warning: {warning}", markup=False)
    console.print("next: make pipeline   (or dvc repro)")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(sample)
    app.add_typer(group, name="data")
