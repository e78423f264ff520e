"""Run every check behind one boundary, and take secrets out of what they found."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from rakuten import catalog
from rakuten.errors import DatabaseAwayError, RakutenError, StoreAwayError
from rakuten.logs import get_logger
from rakuten.settings import EXPORTED, ProjectPaths, Settings
from rakuten.stages.doctor.check import Check, Subject
from rakuten.stages.doctor.data import data_checks, photo_checks
from rakuten.stages.doctor.dvc import dvc_checks
from rakuten.stages.doctor.installation import (
    disk_checks,
    params_checks,
    python_checks,
    settings_checks,
)
from rakuten.stages.doctor.model import model_checks, waiting_checks
from rakuten.stages.doctor.remote import remote_checks
from rakuten.stages.doctor.s3 import s3_checks
from rakuten.stages.doctor.store import store_checks
from rakuten.stages.doctor.tracking import tracking_checks

log = get_logger(__name__)

_SECRET: Final = re.compile(r"\w*(SECRET|PASSWORD|TOKEN)\w*")
_AGAIN: Final = "correct that, then try again"

Examine = Callable[[Subject], Iterator[Check]]


def run_doctor(
    paths: ProjectPaths,
    settings: Settings,
    *,
    full: bool = False,
    shell: Mapping[str, str] | None = None,
) -> list[Check]:
    """Run every check; one that fails unexpectedly is itself a failed check.

    Args:
        paths: the project.
        settings: what the environment and ``.env`` say.
        full: also hash the data to name stale stages.
        shell: the environment before ``.env`` was read [the present one].
    """
    subject = Subject(paths, settings, dict(os.environ if shell is None else shell), full)
    checks: dict[str, Examine] = {
        "python": python_checks,
        "settings": settings_checks,
        "params": params_checks,
        "data": data_checks,
        "photos": partial(photo_checks, table=catalog.X_TRAIN, place=catalog.IMAGE_TRAIN),
        "test photos": partial(photo_checks, table=catalog.X_TEST, place=catalog.IMAGE_TEST),
        "tracking": tracking_checks,
        "s3": s3_checks,
        "remote": remote_checks,
        "dvc": dvc_checks,
        "model": model_checks,
        "waiting": waiting_checks,
        "store": store_checks,
        "disk": disk_checks,
    }
    return [result for name, check in checks.items() for result in run_check(name, check, subject)]


def run_check(name: str, examine: Examine, subject: Subject) -> list[Check]:
    """Findings of one check, whatever it raises among them, without secrets."""
    return [
        replace(check, detail=_redacted(" ".join(check.detail.split())), hint=_redacted(check.hint))
        for check in _guarded(name, examine, subject)
    ]


def usable_settings() -> Settings:
    """Settings as they are written, so that one value that cannot be used hides no other check."""
    written = {name: os.environ.get(name.upper()) for name in Settings.model_fields}
    values: dict[str, Any] = {name: value for name, value in written.items() if value}
    return Settings.model_construct(None, **values)


def _guarded(name: str, examine: Examine, subject: Subject) -> Iterator[Check]:
    """The boundary of the checks: whatever one raises becomes its finding."""
    try:
        yield from examine(subject)
    except RakutenError as error:
        away = isinstance(error, StoreAwayError | DatabaseAwayError)
        yield Check(name, "failed", error.message.rstrip("."), error.hint or _AGAIN, away)
    except Exception as error:
        log.debug("check %s failed", name, exc_info=True)
        yield Check(
            name,
            "failed",
            f"the check itself failed: {type(error).__name__}: {error}",
            "LOG_LEVEL=DEBUG shows where",
            away=True,  # it found nothing out, so it refuses nothing
        )


def _redacted(text: str) -> str:
    for name, value in os.environ.items():
        if len(value) > 3 and EXPORTED.fullmatch(name) and _SECRET.fullmatch(name):
            text = text.replace(value, "***")
    return text
