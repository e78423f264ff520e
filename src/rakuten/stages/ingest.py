"""Stage ingest: data/raw and data/feedback → data/interim."""

from dataclasses import dataclass

from rakuten import catalog
from rakuten.data.corrections import CorrectionsReport, add_corrections, load_corrections
from rakuten.data.make_dataset import IngestReport, build_dataset
from rakuten.data.raw_folder import raw_state
from rakuten.errors import ContractError, DataNotFoundError
from rakuten.io import sha256_file, write_csv, write_json
from rakuten.logs import Progress, get_logger
from rakuten.settings import ProjectPaths
from rakuten.stages.feedback_folder import prepare_feedback

log = get_logger(__name__)

MERGED = "merged_train.csv"
REJECTED = "rejected.csv"
REPORT = "ingest_report.json"

_BROKEN = ("bad_id", "duplicate_id", "bad_label", "no_content")
"""Reasons that an export by this project never gives."""


@dataclass(frozen=True)
class IngestOutcome:
    """What ingest found, and what a person should know of it."""

    report: IngestReport
    warnings: tuple[str, ...]


def run_ingest(
    paths: ProjectPaths, *, threads: int = 1, progress: Progress | None = None
) -> IngestOutcome:
    """Join, check and write the training rows of ``data/raw`` and the corrections.

    Raises:
        DataNotFoundError: there is no catalogue in ``data/raw``.
        ContractError: the catalogue breaks its contract as a whole, or corrections changed
            while they were read.
        StorageError: the outputs cannot be written.
    """
    require_catalogue(paths)
    prepare_feedback(paths)
    corrections = load_corrections(paths.feedback, threads=threads)
    catalogue = build_dataset(paths.raw, threads=threads, progress=progress)
    dataset = add_corrections(catalogue, corrections)
    _require_same(paths, corrections.report)
    write_csv(paths.interim / MERGED, dataset.merged)
    write_csv(paths.interim / REJECTED, dataset.rejected)
    write_json(paths.interim / REPORT, dataset.report.to_dict())
    warnings = (*_warnings(dataset.report), *_feedback_warnings(corrections.report))
    for warning in warnings:
        log.warning(warning)
    return IngestOutcome(dataset.report, warnings)


def _require_same(paths: ProjectPaths, report: CorrectionsReport) -> None:
    """DVC looks at its inputs after a stage: it would take a newer export for what was read."""
    path = paths.feedback / catalog.CORRECTIONS
    if not path.is_file() or sha256_file(path) != report.sha256:
        raise ContractError(
            f"{path} was exported anew while ingest was reading it.", hint="run it again: dvc repro"
        )


def require_catalogue(paths: ProjectPaths) -> None:
    """Say what to do where ``data/raw`` has no catalogue, or one under other names.

    Raises:
        DataNotFoundError: a file of the contract is absent.
    """
    absent = [name for name in catalog.CHALLENGE_NAMES if not paths.raw_file(name).is_file()]
    if not absent:
        return
    if any(paths.raw_file(catalog.CHALLENGE_NAMES[name]).is_file() for name in absent):
        hint = f"rakuten data import {paths.raw}   (gives the challenge's files their names)"
    elif raw_state(paths.raw) == "unfetched":
        hint = "dvc pull brings the catalogue that DVC keeps"
    else:
        hint = "rakuten data import FOLDER, or rakuten sample for a synthetic catalogue"
    raise DataNotFoundError(f"{paths.raw} lacks {', '.join(absent)}.", hint=hint)


def _warnings(report: IngestReport) -> tuple[str, ...]:
    found = []
    if not report.images["ok"]:
        found.append("no usable training photo: the model will go by text alone")
    elif report.images["missing"] or report.images["unreadable"]:
        found.append(
            f"{report.images['missing']} photos missing and {report.images['unreadable']} "
            f"unreadable of {report.x_rows}"
        )
    if report.rejected:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items())
        found.append(f"{sum(report.rejected.values())} rows set aside in {REJECTED}: {reasons}")
    if report.labels_without_product:
        found.append(f"{report.labels_without_product} labels belong to no product")
    return tuple(found)


def _feedback_warnings(report: CorrectionsReport) -> tuple[str, ...]:
    bad = {reason: count for reason, count in report.rejected.items() if reason in _BROKEN}
    if not bad:
        return ()
    reasons = ", ".join(f"{count} {reason}" for reason, count in bad.items())
    return (f"{sum(bad.values())} corrections set aside in {REJECTED}: {reasons}",)
