"""What people see of a run in Prefect: the stages, the scores, the verdict, the run in MLflow."""

from collections.abc import Sequence
from typing import Any, Final

from rakuten.flows.publication import PipelineOutcome
from rakuten.flows.reproduction import Reproduced
from rakuten.stages.promotion import Promotion
from rakuten.tracking.registry import Version

STAGES: Final = "stages"
SCORE_TABLE: Final = "scores"
VERDICT: Final = "verdict"
RUN: Final = "mlflow-run"
"""Keys of the artifacts; Prefect keeps the history of each."""


def show_stages(stages: Sequence[Reproduced]) -> None:
    """Keep which stages ran, and which had nothing to do."""
    from prefect.artifacts import create_table_artifact

    rows = [{"stage": one.stage, "outcome": one.outcome} for one in stages]
    create_table_artifact(key=STAGES, table=rows, description="DVC stages, in order")


def show_outcome(
    outcome: PipelineOutcome,
    version: Version,
    promotion: Promotion | None,
    *,
    model: str,
    address: str | None,
) -> None:
    """Keep scores and verdict, and a link to the run where it has a page."""
    from prefect.artifacts import (
        create_link_artifact,
        create_markdown_artifact,
        create_table_artifact,
    )

    sentence = outcome.sentence(model)
    create_table_artifact(
        key=SCORE_TABLE, table=score_rows(version, promotion), description=sentence
    )
    create_markdown_artifact(
        key=VERDICT, markdown=verdict_text(sentence, promotion), description=sentence
    )
    if address:
        create_link_artifact(
            key=RUN, link=address, link_text=f"run {outcome.run_id}", description=sentence
        )


def score_rows(version: Version, promotion: Promotion | None) -> list[dict[str, Any]]:
    """A row a score: the model's and the champion's on the same rows, else the run's own."""
    verdict = promotion.verdict if promotion else None
    if verdict and verdict.challenger:
        champion = verdict.champion or {}
        return [
            {"score": name, "model": _shown(value), "champion": _shown(champion.get(name))}
            for name, value in verdict.challenger.items()
        ]
    return [
        {"score": name, "model": _shown(value), "champion": "–"}
        for name, value in version.scores().items()
    ]


def verdict_text(sentence: str, promotion: Promotion | None) -> str:
    """The verdict as Markdown: each condition, whether it holds, and why."""
    verdict = promotion.verdict if promotion else None
    if verdict is None:
        return f"{sentence}.\n"
    rows = [
        f"| {'ok' if check.passed else '**fails**'} | {check.name} | {_cell(check.detail)} |"
        for check in verdict.checks
    ]
    head = ["| | condition | |", "|---|---|---|"]
    return "\n".join([f"{sentence}. {verdict.rows} held-out rows.", "", *head, *rows, ""])


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
