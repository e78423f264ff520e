"""Checks of the model, and of what killed commands and absent servers have left."""

from collections.abc import Iterator
from typing import Final

from rakuten.stages.doctor.check import Check, Subject

_GOLDEN_TOLERANCE: Final = 1e-5


def model_checks(subject: Subject) -> Iterator[Check]:
    """Load the model and ask it for its golden products."""
    from rakuten.models.golden import check_golden
    from rakuten.models.predictor import Predictor

    model = subject.paths.model
    if not model.is_dir():
        yield Check("model", "skipped", f"there is no model in {model}", "make pipeline")
        return
    predictor = Predictor.load(model)
    deviation = check_golden(predictor, model)
    detail = f"{model} loads; its golden products answer within {deviation:.1g} of what they did"
    if deviation <= _GOLDEN_TOLERANCE:
        yield Check("model", "ok", detail)
        return
    hint = "install the locked versions (make setup), or retrain: dvc repro --force train"
    yield Check("model", "failed", f"{detail}; {_GOLDEN_TOLERANCE:.0e} is allowed", hint)


def waiting_checks(subject: Subject) -> Iterator[Check]:
    """Look for runs that were not logged and for swaps that were not finished."""
    from rakuten.tracking.pending import waiting_runs

    paths, problems = subject.paths, False
    waiting = waiting_runs(paths.pending_runs)
    if waiting.runs:
        problems = True
        detail = f"{len(waiting.runs)} runs wait in {paths.pending_runs} for the tracking server"
        yield Check("waiting", "warning", detail, "rakuten runs resume")
    for folder, reason in waiting.broken.items():
        problems = True
        detail = f"{folder} is no run record: {reason}"
        yield Check("waiting", "failed", detail, f"move it away: mv '{folder}' /elsewhere")
    for target in (paths.raw, paths.model):
        for suffix in ("old", "staged"):
            left = target.with_name(f".{target.name}.{suffix}")
            if left.exists():
                problems = True
                lost = suffix == "old" and not target.exists()
                hint = f"mv '{left}' '{target}'" if lost else f"rm -r '{left}'   (if nothing runs)"
                yield Check("waiting", "warning", f"{left} is left of a killed command", hint)
    if not problems:
        yield Check("waiting", "ok", "no run waits, nothing is half-done")
