"""Recording rules, alerts and the groups that Prometheus evaluates them in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rakuten.observability.timescale import TimeScale

Severity = Literal["page", "ticket", "check"]
"""page wakes somebody, ticket waits for the morning, check starts a look at the traffic."""


@dataclass(frozen=True)
class Recording:
    """An expression whose result is kept as a series of its own."""

    record: str
    expr: str

    def to_dict(self) -> dict[str, Any]:
        """The rule as Prometheus reads it."""
        return {"record": self.record, "expr": self.expr}


@dataclass(frozen=True)
class Alert:
    """An expression that is empty while all is well.

    ``hold`` is how long it has to stay true (at scale 1). ``summary`` names no value and no
    label, so that it can stand in a table; ``description`` is a template of Prometheus.
    """

    name: str
    severity: Severity
    expr: str
    summary: str
    description: str
    hold: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self, scale: TimeScale, runbooks: str) -> dict[str, Any]:
        """The rule as Prometheus reads it; ``runbooks`` is the folder or address of the pages."""
        held = {"for": scale.duration(self.hold)} if self.hold else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **held,
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks.rstrip('/')}/{self.name}.md",
            },
        }


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after the other; ``interval`` (at scale 1) if not as others."""

    name: str
    rules: tuple[Recording, ...] | tuple[Alert, ...]
    interval: str | None = None
