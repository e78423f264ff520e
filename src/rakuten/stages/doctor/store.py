"""Check of the prediction store: does its database answer, with the tables of this version?"""

from collections.abc import Iterator

from rakuten.stages.doctor.check import ANSWER_SECONDS, Check, Subject


def store_checks(subject: Subject) -> Iterator[Check]:
    """Ask the database for the version of its tables; nothing is made and nothing is changed."""
    try:
        from rakuten.store.database import Database, revision_of
        from rakuten.store.tables import REVISION
    except ModuleNotFoundError as error:
        hint = "pip install 'rakuten-classifier[serve]'"
        yield Check("store", "skipped", f"{error.name} is not installed", hint)
        return
    root = subject.paths.root
    database = Database(
        subject.settings.store_url(root), pool_size=1, seconds=float(ANSWER_SECONDS)
    )
    if database.is_file_absent:
        hint = "rakuten serve and the flows make it"
        yield Check("store", "skipped", f"there is no {database.shown} yet", hint)
        return
    try:
        with database.read() as connection:
            found = revision_of(connection)
    finally:
        database.close()
    if found == REVISION:
        yield Check("store", "ok", f"{database.shown} answers, with the tables of this version")
        return
    has = f"has tables of revision {found}" if found else "has no tables yet"
    hint = "rakuten serve and the flows make them, and bring older ones up to date"
    yield Check("store", "warning", f"{database.shown} {has}; this version has {REVISION}", hint)
