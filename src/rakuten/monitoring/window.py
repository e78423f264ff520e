"""A window of live traffic beside what is known of the model that answered it."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from rakuten.models.feature_row import FeatureRow
from rakuten.monitoring.drift import DriftCheck, Finding, check_drift
from rakuten.monitoring.estimate import Expected, expect_performance
from rakuten.monitoring.evidence import Reason
from rakuten.monitoring.features import check_rows
from rakuten.monitoring.history import decision_findings
from rakuten.monitoring.live import LiveModel
from rakuten.monitoring.performance import Performance, read_performance
from rakuten.params import MonitoringParams
from rakuten.store.database import Database
from rakuten.store.windows import Window, read_window


@dataclass(frozen=True)
class Seen:
    """What a window showed.

    ``rows`` are the whole rows among the ``read`` ones, oldest first; ``start`` and ``end`` are
    the times of the oldest and the newest row that was read. ``performance`` is that of a longer
    time, as far as labels go; ``expected`` needs none and is that of the window.
    """

    live: LiveModel
    read: int
    rows: list[FeatureRow]
    start: datetime | None
    end: datetime | None
    drift: DriftCheck
    performance: Performance
    expected: Expected | None

    @property
    def faults(self) -> tuple[Reason, ...]:
        """What is wrong with the log itself."""
        return tuple(_fault(finding) for finding in self.drift.findings)

    def findings(self) -> dict[str, Any]:
        """All of it as JSON values, but for the rows; what a decision looks at is among it.

        Raises:
            ValueError: a number is NaN or infinite.
        """
        found = {
            "drift": self.drift.to_dict(),
            "performance": self.performance.to_dict(),
            "expected": asdict(self.expected) if self.expected else None,
            **decision_findings(self.performance.evidence(self.live.held_out_f1), self.faults),
        }
        plain: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
        return plain


def look_at_traffic(
    database: Database,
    live: LiveModel,
    model_name: str,
    params: MonitoringParams,
    *,
    now: datetime,
    note: Callable[[str], None] = lambda _: None,
) -> Seen:
    """Compare the newest answers of a version with its reference, and score those with labels.

    Args:
        database: the store.
        live: the version.
        model_name: of the registered model.
        params: the section ``monitoring`` of ``params.yaml``.
        now: the moment of the check; answers from then on are not read.
        note: called with what is going on.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    number = live.version.number
    window = Window(
        until=now, limit=params.window_rows, model_name=model_name, model_version=number
    )
    rows = [row for chunk in read_window(database, window) for row in chunk]
    rows.reverse()  # charts run from the oldest to the newest
    note(f"comparing {len(rows)} answers of {live.version} with {len(live.reference)} of its own")
    drift = check_drift([row.features for row in rows], live.reference)
    longer = Window(
        since=now - timedelta(days=params.label_days),
        until=now,
        limit=params.label_rows,
        model_name=model_name,
        model_version=number,
    )
    note(f"scoring answers of {params.label_days:g} days against labels")
    return Seen(
        live=live,
        read=len(rows),
        rows=check_rows([row.features for row in rows], like=live.reference).rows,
        start=rows[0].created_at if rows else None,
        end=rows[-1].created_at if rows else None,
        drift=drift,
        performance=read_performance(database, longer),
        expected=expect_performance(rows),
    )


def _fault(finding: Finding) -> Reason:
    return Reason(
        finding.name,
        f"{finding.value:.1%} of the window's answers are damaged in the store, of which "
        f"{finding.threshold:.0%} may be: look at what writes them.",
        {"value": finding.value, "threshold": finding.threshold},
    )
