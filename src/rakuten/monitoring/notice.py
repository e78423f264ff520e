"""What a check found as a short text in Markdown, for an issue or a message to people."""

from typing import Final

from rakuten.monitoring.summary import measured_lines, sorted_columns
from rakuten.monitoring.window import Seen
from rakuten.store.monitoring import DecisionRecord, MonitorRun

_COLUMNS: Final = 10


def decision_notice(run: MonitorRun, decision: DecisionRecord, seen: Seen | None) -> str:
    """The decision with its reasons, columns that drifted, and scores.

    The first line is a comment that programs read: ``<!-- decision: alert -->``. Numbers and the
    project's own sentences are all that it holds: no text of a product reaches it.
    """
    version = "unknown" if decision.model_version is None else decision.model_version
    lines = [
        f"<!-- decision: {decision.action} -->",
        f"**{decision.action}** for {decision.model_name}, version {version}, "
        f"at {decision.created_at:%Y-%m-%d %H:%M} UTC",
        "",
        *(f"- {_plain(reason['sentence'])}" for reason in decision.reasons),
        "",
    ]
    if run.error:
        lines += ["The check failed; its log says why.", ""]
    if seen is not None:
        lines += [*_drift_lines(seen), *_score_lines(seen)]
    return "\n".join([*lines, f"Check `{run.run_id}`, outcome `{run.outcome}`.", ""])


def _drift_lines(seen: Seen) -> list[str]:
    drifted = [one for one in sorted_columns(seen.drift) if one.verdict == "drifted"]
    if not drifted:
        return []
    rows = [f"| {one.name} | {one.effect:.3f} | {one.threshold:.3f} |" for one in drifted]
    return ["| column | effect | floor |", "|---|---:|---:|", *rows[:_COLUMNS], ""]


def _score_lines(seen: Seen) -> list[str]:
    measured = [one for one in measured_lines(seen) if one.value is not None]
    rows = [f"| {one.name} | {one.value:.4f} | {one.count or ''} |" for one in measured]
    return ["| score | value | labels |", "|---|---:|---:|", *rows, ""] if rows else []


def _plain(sentence: str) -> str:
    """A sentence that Markdown leaves as it is; an error in it may hold anything."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|@" else c for c in sentence.replace("\n", " "))
