"""The files that Prometheus reads, from rules and configuration, at any time scale."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rakuten.observability.alerts import alert_groups
from rakuten.observability.documents import write_yaml
from rakuten.observability.model import Alert, Group
from rakuten.observability.prometheus import RULE_FILES, Targets, prometheus_config
from rakuten.observability.recording import recording_groups
from rakuten.observability.timescale import TimeScale

RUNBOOKS: Final = "docs/runbooks"
COMMAND: Final = "rakuten observability rules"


def rule_groups(scale: TimeScale, *, runbooks: str = RUNBOOKS) -> dict[str, dict[str, Any]]:
    """The content of each rule file by its path below the folder of ``prometheus.yml``.

    Args:
        scale: what every window, hold and age is multiplied by.
        runbooks: folder or address of the pages that alerts point to.
    """
    contents = (recording_groups(scale), alert_groups(scale))
    return {
        path: {"groups": [_group(group, scale, runbooks) for group in groups]}
        for path, groups in zip(RULE_FILES, contents, strict=True)
    }


def write_rules(
    folder: Path,
    scale: TimeScale,
    targets: Targets,
    *,
    interval: str | None = None,
    runbooks: str = RUNBOOKS,
) -> Sequence[Path]:
    """Write ``prometheus.yml`` and the rule files; returns their paths.

    Args:
        folder: where; it is made.
        scale: what lengths of time are multiplied by.
        targets: whom to scrape.
        interval: between scrapes and between evaluations, not scaled; 15 s scaled without it.
        runbooks: folder or address of the pages that alerts point to.

    Raises:
        ConfigurationError: scrapes would be too seldom for the rules.
        StorageError: the file system refused.
    """
    files = {
        "prometheus.yml": prometheus_config(scale, targets, interval=interval),
        **rule_groups(scale, runbooks=runbooks),
    }
    for name, content in files.items():
        write_yaml(folder / name, content, command=COMMAND)
    return [folder / name for name in files]


def _group(group: Group, scale: TimeScale, runbooks: str) -> dict[str, Any]:
    interval = {"interval": scale.duration(group.interval)} if group.interval else {}
    rules = [
        rule.to_dict(scale, runbooks) if isinstance(rule, Alert) else rule.to_dict()
        for rule in group.rules
    ]
    return {"name": group.name, **interval, "rules": rules}
