"""The metrics and recorded series that a dashboard or a rule may read.

Pages of the documentation list every metric; tests hold them against what processes show.
"""

import re
from typing import Final

from rakuten.observability.model import Recording
from rakuten.observability.recording import recording_groups
from rakuten.observability.slo import WINDOWS
from rakuten.observability.timescale import TimeScale
from tests.conftest import REPOSITORY

__all__ = ["KNOWN", "RECORDED", "WINDOWS"]

_ROW: Final = re.compile(r"^\| `([a-z_]+)[`{].*?\| (counter|gauge|histogram|info)", re.MULTILINE)
_LISTED: Final = [
    found
    for page in ("metrics", "exporter")
    for found in _ROW.findall((REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8"))
]
_HISTOGRAMS: Final = sorted({name for name, kind in _LISTED if kind == "histogram"})
_PARTS: Final = [f"{name}_{part}" for name in _HISTOGRAMS for part in ("bucket", "count", "sum")]
_SINGLE: Final = [name for name, kind in _LISTED if kind != "histogram"]
RECORDED: Final = [
    rule.record
    for group in recording_groups(TimeScale())
    for rule in group.rules
    if isinstance(rule, Recording)
]
_OWN: Final = ["up", "ALERTS"]
"""Series that Prometheus makes itself."""
KNOWN: Final = frozenset([*_SINGLE, *_PARTS, *RECORDED, *_OWN])
