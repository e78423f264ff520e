"""Programs that do not come with the project: where they are, and how to get them."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

POSTGRES_LEAST: Final = 15
_POSTGRES_FOLDERS: Final = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Need:
    """A program of other makers that a service runs."""

    find: Callable[[], Path | None]
    hint: str


def find_postgres(installed: Path = _POSTGRES_FOLDERS) -> Path | None:
    """The newest ``initdb`` of this machine: Debian's folders, else the PATH."""
    found = {
        int(match.group(1)): path
        for path in installed.glob("*/bin/initdb")
        if (match := re.fullmatch(r"(\d+)(?:\.\d+)?", path.parents[1].name))
    }
    newest = max(found, default=0)
    if newest >= POSTGRES_LEAST:
        return found[newest]
    on_path = shutil.which("initdb")
    return Path(on_path) if on_path else None


def _first(*names: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        beside = Path(sys.prefix) / "servers"  # where `make servers` installs
        found = (shutil.which(name) or shutil.which(name, path=str(beside)) for name in names)
        return next((Path(place) for place in found if place), None)

    return find


NEEDS: Final = {
    "postgres": Need(
        find_postgres,
        "apt-get install postgresql (Debian), brew install postgresql (macOS)",
    ),
    "prometheus": Need(
        _first("prometheus"), "apt-get install prometheus, or https://prometheus.io/download"
    ),
    "alertmanager": Need(
        _first("prometheus-alertmanager", "alertmanager"),
        "apt-get install prometheus-alertmanager, or https://prometheus.io/download",
    ),
    "grafana": Need(_first("grafana"), "https://grafana.com/docs/grafana/latest/setup-grafana"),
    "rclone": Need(_first("rclone"), "make servers, or https://rclone.org/install"),
}
