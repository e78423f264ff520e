"""Attempts at a model that failed: remembered, and put off for longer each time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rakuten.serving.model_info import ModelInfo

_REFUSED_SECONDS: Final = 60.0
_LONGEST_REFUSED: Final = 3600.0
_LONGEST_FAILED: Final = 300.0


@dataclass(frozen=True)
class Failure:
    """What happened to a version last; ``reason`` is "" where it was an outage, not a refusal."""

    version: int
    sha256: str
    reason: str
    message: str
    at: datetime
    retry_at: datetime
    attempts: int

    @property
    def refused(self) -> bool:
        """Whether the model itself was at fault."""
        return bool(self.reason)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values, without the message: it may hold paths and addresses."""
        return {
            "version": self.version,
            "sha256": self.sha256,
            "reason": self.reason,
            "at": self.at.isoformat(timespec="seconds"),
            "retry_at": self.retry_at.isoformat(timespec="seconds"),
            "attempts": self.attempts,
        }


class Attempts:
    """Says when a version is to be tried again: from a poll to minutes, an hour where refused."""

    def __init__(self, poll_seconds: float) -> None:
        self.failure: Failure | None = None
        self._poll = poll_seconds
        self._due = 0.0

    def due(self, info: ModelInfo) -> bool:
        """Whether to try it now; a version that did not fail last is always due."""
        if self.failure and self._is_about(info):
            return time.monotonic() >= self._due
        self.failure = None
        return True

    def failed(self, info: ModelInfo, message: str, reason: str = "") -> Failure:
        """Remember a failure, or with a reason a refusal, and put the next attempt off."""
        before = self.failure.attempts if self.failure and self._is_about(info) else 0
        first, longest = (
            (_REFUSED_SECONDS, _LONGEST_REFUSED) if reason else (self._poll, _LONGEST_FAILED)
        )
        seconds = min(first * 2.0 ** min(before, 20), longest)
        self._due = time.monotonic() + seconds
        now = datetime.now(UTC)
        self.failure = Failure(
            info.version,
            info.sha256,
            reason,
            message,
            now,
            now + timedelta(seconds=seconds),
            before + 1,
        )
        return self.failure

    def retry_now(self) -> None:
        """Put nothing off any longer."""
        self._due = 0.0

    def forget(self) -> None:
        """The champion answers."""
        self.failure = None

    def seconds_left(self) -> float | None:
        """Seconds until what failed may be tried again; None where nothing waits for that."""
        left = self._due - time.monotonic()
        return left if self.failure and left > 0 else None

    def _is_about(self, info: ModelInfo) -> bool:
        failure = self.failure
        return failure is not None and (failure.version, failure.sha256) == (
            info.version,
            info.sha256,
        )
