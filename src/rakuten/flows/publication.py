"""After the stages: the run in MLflow is complete, registered, and judged by the gate."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rakuten.errors import RakutenError, TrackingError
from rakuten.flows.project import Project
from rakuten.logs import get_logger
from rakuten.models.model_directory import model_sha256
from rakuten.stages.promotion import Promotion, Request, run_promote, run_register
from rakuten.tracking.connection import Connection
from rakuten.tracking.mlflow_store import MODEL_TAG
from rakuten.tracking.pending import waiting_runs
from rakuten.tracking.registry import Version
from rakuten.tracking.runs import resume_runs

log = get_logger(__name__)


@dataclass(frozen=True)
class PipelineOutcome:
    """What came of a pipeline run; ``failed`` names the conditions of the gate that do not hold.

    ``state`` is promoted, refused, unchanged (the model is live already), or registered (the gate
    was not asked).
    """

    state: Literal["promoted", "refused", "unchanged", "registered"]
    version: int
    run_id: str
    champion: int | None = None
    failed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        return {**asdict(self), "failed": list(self.failed)}

    def sentence(self, model: str) -> str:
        """The outcome for people."""
        named = f"{model} version {self.version}"
        return {
            "promoted": f"{named} is champion now",
            "refused": f"{named} was refused by the gate: {', '.join(self.failed)}",
            "unchanged": f"{named} is the champion already",
            "registered": f"{named} is registered; the gate was not asked",
        }[self.state]


def register_model(project: Project) -> Version:
    """Log the runs that wait for the tracking server, then register that of the current model.

    Raises:
        TrackingError: the server did not answer; what waits goes on waiting.
        ContractError: no run made the current model.
    """
    paths, settings = project.paths, project.settings
    waiting = waiting_runs(paths.pending_runs)
    if waiting.runs or waiting.broken:
        ours = model_sha256(paths.model)
        try:
            for run_id in resume_runs(paths, settings):
                log.info("the waiting run %s is logged", run_id)
        except TrackingError as error:
            still = waiting_runs(paths.pending_runs).runs
            if any(pending.record.tags.get(MODEL_TAG) == ours for pending in still):
                raise
            log.warning("%s", error.message)  # about other runs; this one can go on
    return run_register(paths, settings)


def judge_model(
    project: Project, version: Version, reason: str, *, note: Callable[[str], None]
) -> Promotion:
    """Ask the gate about a version; it goes live if the gate agrees.

    Raises:
        PromotionError: another promotion is under way, or was faster.
        TrackingError: registry or artifact store did not answer; nothing was promoted.
    """
    settings = project.settings
    return run_promote(
        project.paths,
        project.params,
        settings,
        Request(version.number, reason=reason),
        threads=settings.rakuten_threads,
        cache=settings.cache_folder(project.paths.root),
        note=note,
    )


def outcome_of(version: Version, promotion: Promotion | None) -> PipelineOutcome:
    """What a run ended with, the gate asked or not."""
    if promotion is None or promotion.state == "would_promote":
        return PipelineOutcome("registered", version.number, version.run_id)
    champion, verdict = promotion.champion, promotion.verdict
    return PipelineOutcome(
        promotion.state,
        version.number,
        version.run_id,
        champion.number if champion else None,
        tuple(check.name for check in verdict.failures()) if verdict else (),
    )


def run_address(project: Project, run_id: str) -> str | None:
    """Page of a run on the tracking server; None where there is no server, or it is silent."""
    from urllib.parse import urlsplit

    uri = project.settings.mlflow_tracking_uri or ""
    if not uri.startswith(("http://", "https://")):
        return None
    try:
        connection = Connection(project.settings, project.paths.root)
        with connection.boundary():
            experiment = connection.client.get_run(run_id).info.experiment_id
    except RakutenError as error:  # a link is not worth a failed run
        log.warning("the run has no link: %s", error.message)
        return None
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]  # no name and password in a link
    page = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
    return f"{page}/#/experiments/{experiment}/runs/{run_id}"
