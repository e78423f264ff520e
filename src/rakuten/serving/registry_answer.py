"""What the model registry said last, and what is wrong with it in words."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rakuten.serving.model_info import ModelInfo

_STALE_POLLS: Final = 4
_STALE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class RegistryAnswer:
    """The champion, that there is none, or nothing (``problem``); ``at`` is of the last answer."""

    champion: ModelInfo | None = None
    at: datetime | None = None
    problem: str = ""

    def is_up(self, poll_seconds: float) -> bool:
        """Whether the registry answered the last look, and that was not long ago."""
        return self.at is not None and not self.problem and not self._is_late(poll_seconds)

    def degraded(self, name: str, poll_seconds: float) -> list[str]:
        """What is not as it should be, in words that anybody may read.

        Args:
            name: of the registered model.
            poll_seconds: time between two looks.
        """
        reasons = []
        last = text_of(self.at) or "never"
        if self.problem:
            reasons.append(f"The model registry does not answer (last answer: {last}).")
        elif self.at is None:
            reasons.append("The model registry was not asked yet.")
        elif self._is_late(poll_seconds):
            reasons.append(f"The model registry takes long to answer (last answer: {last}).")
        if self.at and self.champion is None:
            reasons.append(f"The model registry has no champion of {name}.")
        return reasons

    def _is_late(self, poll_seconds: float) -> bool:
        late = timedelta(seconds=max(_STALE_POLLS * poll_seconds, _STALE_SECONDS))
        return self.at is not None and datetime.now(UTC) - self.at > late


def text_of(at: datetime | None) -> str | None:
    """A moment as text."""
    return at.isoformat(timespec="seconds") if at else None
