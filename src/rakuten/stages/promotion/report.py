"""The verdict on paper: a JSON file with all that it rests on, a tag with the gist."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rakuten.io import write_json
from rakuten.tracking.gate import Verdict
from rakuten.tracking.registry import Version

GATE_TAG: Final = "gate"
"""Tag of a version with the gist of the last verdict on it."""


def write_report(
    folder: Path,
    verdict: Verdict,
    challenger: Version,
    champion: Version | None,
    about: Mapping[str, Any],
) -> Path:
    """Write a verdict with the versions it is about and return the file; none is overwritten.

    Raises:
        StorageError: the folder cannot be written.
    """
    now = datetime.now(UTC)
    path = folder / f"version-{challenger.number}-{now:%Y%m%dT%H%M%S.%fZ}.json"
    versions = {
        "challenger": _identity(challenger),
        "champion": _identity(champion) if champion else None,
    }
    at = now.isoformat(timespec="seconds")
    write_json(path, {**verdict.to_dict(), "versions": versions, "at": at, **about})
    return path


def verdict_tag(verdict: Verdict, champion: Version | None, *, by: str) -> str:
    """The gist of a verdict: outcome, the version compared with, when, by whom."""
    return json.dumps(
        {
            "outcome": "passed" if verdict.passed else f"failed: {verdict.failed_names()}",
            "beside": champion.number if champion else None,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": by,
        }
    )


def _identity(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "run_id": version.run_id,
        "model_sha256": version.model_sha256,
        "split_fingerprint": version.split_fingerprint,
    }
