"""Commands about corrections of people: feedback export, feedback init."""

from typing import Annotated

import typer

from rakuten.cli.context import project

group = typer.Typer(
    help="Corrections of people, from the prediction store back into training.",
    no_args_is_help=True,
)

_LEFT_OUT = {
    "erased": "erased since",
    "no_text": "whose text was not kept",
    "no_answer": "whose answer is not in the database (yet)",
}


@group.command()
def export(
    context: typer.Context,
    media: Annotated[
        str | None,
        typer.Option(help="Place of photos: a folder or s3://… [RAKUTEN_SERVE_MEDIA]."),
    ] = None,
) -> None:
    """Write what people said of answers into data/feedback, for the next training.

    Reads the store that DATABASE_URL names (by default the project's SQLite file) and replaces
    corrections.csv and the photos beside it, all or nothing. One row for each corrected answer:
    of several reviewers the type that most name counts. Erased answers disappear at the next
    export. The same store gives the same bytes, so that nothing is trained again for nothing.
    """
    from rakuten.cli import render
    from rakuten.errors import MissingExtraError
    from rakuten.serving.settings import load_serving_settings

    current = project(context)
    settings = current.settings
    place = media or load_serving_settings().media
    try:
        import pandas  # noqa: F401 - before any work, not after the photos

        from rakuten.stages.feedback import export_feedback
        from rakuten.store.database import Database
        from rakuten.store.media import open_media

        photos = open_media(place if place.startswith("s3://") else str(current.root / place))
        database = Database(settings.store_url(current.root))
    except ModuleNotFoundError as error:
        package = error.name or "sqlalchemy"
        raise MissingExtraError(package, "pipeline,serve", "Exporting feedback") from error
    try:
        with render.progress_bar("bringing photos") as progress:
            found = export_feedback(database, photos, current.paths.feedback, progress=progress)
    finally:
        database.close()
    console = render.out()
    console.print(
        f"feedback: {found.rows} corrected answers, {found.changed} of them of another type than "
        f"the model said, {found.contested} contested, {found.photos} photos → {found.folder}",
        markup=False,
    )
    for state, count in found.left_out.items():
        if count:
            render.note(f"left out: {count} {_LEFT_OUT[state]}")
    if found.missing_photos:
        render.err().print(
            f"warning: photos that the store no longer has: {found.missing_photos}; "
            "their rows go without",
            markup=False,
        )
    console.print("next: make pipeline   (or dvc repro; then dvc push shares the corrections)")


@group.command()
def init(context: typer.Context) -> None:
    """Write a corrections.csv without rows where there is none (the stage feedback does it).

    Refuses where DVC keeps corrections that were not pulled.
    """
    from rakuten.cli import render
    from rakuten.stages.feedback_folder import prepare_feedback

    current = project(context)
    current.settings  # noqa: B018 - sets up the log
    if prepare_feedback(current.paths):
        render.out().print(f"feedback: no corrections yet → {current.paths.feedback}")
    else:
        render.out().print(f"feedback: {current.paths.feedback} is there; left as it is")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(group, name="feedback")
