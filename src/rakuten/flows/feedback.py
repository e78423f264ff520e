"""The way from the prediction store to training: corrected labels become an input of DVC."""

from rakuten.flows.project import Project


def export_corrections(project: Project) -> str:
    """Write the corrected labels of the store to ``data/feedback``; says what was written.

    Raises:
        DatabaseAwayError: the store did not answer; the old export stays.
        StorageError: the files cannot be written.
    """
    from rakuten.serving.settings import load_serving_settings
    from rakuten.stages.feedback import export_feedback
    from rakuten.store.database import Database
    from rakuten.store.media import open_media

    paths, place = project.paths, load_serving_settings().media
    media = open_media(place if place.startswith("s3://") else str(paths.root / place))
    database = Database(project.settings.store_url(paths.root))
    try:
        found = export_feedback(database, media, paths.feedback)
    finally:
        database.close()
    return f"{found.rows} corrected answers → {found.folder}"
