"""The model that answers: the registry's champion, exchanged while requests go on."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rakuten.errors import ModelError, RakutenError, RefusedModelError, StorageError, TrackingError
from rakuten.logs import get_logger
from rakuten.models.predictor import Predictor
from rakuten.serving.alias import make_source
from rakuten.serving.attempts import Attempts, Failure
from rakuten.serving.child import Child
from rakuten.serving.model_cache import FOLDER, ModelCache
from rakuten.serving.model_info import ModelInfo
from rakuten.serving.registry_answer import RegistryAnswer, text_of
from rakuten.serving.trial import load_checked
from rakuten.serving.watcher import Watcher
from rakuten.settings import Settings

__all__ = ["LiveModel", "LiveOptions", "LoadedModel", "ModelInfo"]

log = get_logger(__name__)

_RECORD_AGAIN: Final = timedelta(hours=1)
REFUSALS: Final = ("artifact", "golden", "inference", "no_hash")
"""Why a model may be refused."""
FAILURES: Final = ("look_up", "fetch", "load", "record", "unexpected")
"""What may not work; nobody foresaw what is unexpected."""


@dataclass(frozen=True)
class LoadedModel:
    """A predictor and which model it is, together: an answer names the model that gave it."""

    predictor: Predictor
    info: ModelInfo


@dataclass(frozen=True)
class LiveOptions:
    """How the live model is kept up to date.

    ``poll_seconds`` is the time between two look-ups of the alias, ``fetch_seconds`` what a
    download may take, ``threads`` those of a prediction, ``cache`` the folder of verified models
    (``.rakuten/models`` of the project without it).
    """

    poll_seconds: float = 15.0
    fetch_seconds: float = 300.0
    threads: int = 1
    cache: Path | None = None


class LiveModel:
    """Holds the champion as ``current``; a thread of its own looks for another one.

    A swap is one assignment: whoever reads ``current`` once has a predictor and the version that
    belongs to it. Only what the registry named as champion ever gets there.

    Attributes:
        current: the model that answers; None until there is one.
        swaps: models that took the place of another one, the first included.
        refusals: reason → models that were refused (:data:`REFUSALS`).
        failures: what → times that it did not work (:data:`FAILURES` but for the last).
        last_swap_seconds: from the look-up that found it to the assignment, of the last swap.
        last_refusal: the last model that was refused, and when it may be tried again.
        confirmed_at: when the registry last named the current version as champion.
    """

    def __init__(self, settings: Settings, root: Path, options: LiveOptions | None = None) -> None:
        self.current: LoadedModel | None = None
        self.swaps = 0
        self.refusals: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.last_swap_seconds: float | None = None
        self.last_refusal: Failure | None = None
        self.confirmed_at: datetime | None = None
        self._options = options or LiveOptions()
        self._name = settings.mlflow_model_name
        self._cache_folder = (self._options.cache or root / FOLDER).resolve()
        self._cache = ModelCache(self._cache_folder, self._name)
        self._stopping = threading.Event()
        self._child = Child(settings, root.resolve(), self._stopping)
        self._source = make_source(settings, root, self._child)
        self._poll = max(self._options.poll_seconds, self._source.least_seconds)
        self._attempts = Attempts(self._poll)
        self._answer = RegistryAnswer()
        self._recorded: tuple[ModelInfo, datetime] | None = None
        self._silent = 0
        self._booted = False
        self._impatient = False
        self._watcher = Watcher(self._check, self._stopping)

    @property
    def errors(self) -> int:
        """Looks that ended with an error that nobody foresaw; each has its trace in the log."""
        return self._watcher.errors

    @property
    def registry_up(self) -> bool:
        """Whether the registry answers."""
        return self._answer.is_up(self._poll)

    def start(self) -> None:
        """Begin to look; the model of the cache is live as soon as it is loaded."""
        self._watcher.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End the thread and whatever it runs; the current model stays."""
        if not self._watcher.stop(seconds):
            log.warning("the live model's thread is still busy after %g s", seconds)

    def poke(self) -> None:
        """Look at once, and try again what was put off: somebody says that the alias moved."""
        self._impatient = True
        self._watcher.poke()

    def state(self) -> dict[str, Any]:
        """Whether there is a model that answers, what is not as it should be, and since when."""
        current, failure, refusal = self.current, self._attempts.failure, self.last_refusal
        return {
            "ready": current is not None,
            "degraded": self._degraded(current, self._answer, failure),
            "model": self._name,
            "version": current.info.version if current else None,
            "sha256": current.info.sha256 if current else None,
            "confirmed_at": text_of(self.confirmed_at),
            "last_refusal": refusal.to_dict() if refusal else None,
        }

    def _degraded(
        self, current: LoadedModel | None, answer: RegistryAnswer, failure: Failure | None
    ) -> list[str]:
        """Reasons in words that anybody may read: details and addresses are in the log."""
        reasons = answer.degraded(self._name, self._poll)
        champion = answer.champion
        if champion and (current is None or current.info.sha256 != champion.sha256):
            why = "is being loaded"
            if failure:
                why = f"was refused ({failure.reason})" if failure.refused else "cannot be fetched"
            reasons.append(f"The champion, {champion}, {why}.")
        return reasons

    def _check(self) -> float:
        """One look at the registry and what follows from it; the pause until the next."""
        if not self._booted:
            self._booted = True
            self._boot()
        if self._impatient:
            self._impatient = False
            self._attempts.retry_now()
        begun = time.monotonic()
        champion = self._look_up()
        if champion is None:
            return self._pause()
        current = self.current
        if current and current.info.sha256 == champion.sha256:
            self._attempts.forget()
            if current.info != champion:  # another version of the same model, or other aliases
                self.current = replace(current, info=champion)
            self._confirm(champion)
        elif self._attempts.due(champion):
            self._bring(champion, begun)
        return self._pause()

    def _boot(self) -> None:
        """Take the version last confirmed as champion, so that a registry may be away."""
        confirmed = self._cache.confirmed()
        if confirmed is None or not self._cache.holds(confirmed.info.sha256):
            log.info("no model in %s yet", self._cache.folder)
            return
        info = confirmed.info
        if info.name != self._name:
            log.warning("%s is of the model %s and ignored", self._cache.folder, info.name)
            return
        begun = time.monotonic()
        try:
            predictor = self._load(info)
        except (RakutenError, OSError) as error:
            log.warning("the last champion in the cache, %s, is of no use: %s", info, error)
            return
        self.confirmed_at = confirmed.at
        self._swap(predictor, info, begun)

    def _look_up(self) -> ModelInfo | None:
        """The champion, or None where there is none or no answer; ``_answer`` tells which."""
        if self._stopping.is_set():
            return None
        try:
            champion = self._source.champion()
        except TrackingError as error:
            if not self._answer.problem:
                log.warning("the registry gives no answer: %s", error.message)
            self.failures["look_up"] += 1
            self._silent += 1
            self._answer = replace(self._answer, problem=error.message)
            return None
        if self._answer.problem:
            log.info("the registry answers again")
        if champion is None and (self._answer.at is None or self._answer.champion):
            log.warning("the registry has no champion of %s", self._name)
        self._silent = 0
        self._answer = RegistryAnswer(champion, datetime.now(UTC))
        return champion

    def _bring(self, info: ModelInfo, begun: float) -> None:
        """Fetch, load and try the champion; what fails is remembered and tried again later."""
        try:
            predictor = self._obtain(info)
        except RefusedModelError as error:
            self._refused(info, error)
            return
        except (RakutenError, OSError) as error:
            if self._stopping.is_set():
                return
            self.failures["fetch" if isinstance(error, RakutenError) else "load"] += 1
            self._attempts.failed(info, str(error))
            log.warning("%s cannot be had now: %s", info, error)
            return
        # It may have been rolled back while it was fetched; no answer leaves the last one valid.
        again = self._look_up()
        if not self._answer.problem and (again is None or again.sha256 != info.sha256):
            log.info("%s is champion no more", info)
            self._watcher.poke()
            return
        if self._stopping.is_set():
            return
        self._attempts.forget()
        self._swap(predictor, info, begun)
        self._confirm(info)

    def _refused(self, info: ModelInfo, error: RefusedModelError) -> None:
        self.refusals[error.reason] += 1
        self.last_refusal = self._attempts.failed(info, error.message, error.reason)
        again = text_of(self.last_refusal.retry_at)
        fields = {"reason": error.reason, "retry_at": again}
        log.error("%s is refused: %s", info, error.message, extra=fields)

    def _obtain(self, info: ModelInfo) -> Predictor:
        if not info.sha256:
            raise RefusedModelError(
                "no_hash", f"{info} has no hash to verify it by; rakuten register makes versions."
            )
        if self._cache.holds(info.sha256):
            try:
                return self._load(info)
            except RefusedModelError as error:
                if error.reason != "artifact":
                    raise
                log.warning("a damaged entry of the cache is fetched again: %s", error.message)
                self._cache.discard(info.sha256)
        self._fetch(info)
        return self._load(info)

    def _fetch(self, info: ModelInfo) -> None:
        arguments = (info.name, str(info.version), info.sha256, str(self._cache_folder))
        try:
            self._child.run("download", *arguments, seconds=self._options.fetch_seconds)
        except ModelError as error:
            raise RefusedModelError("artifact", error.message, hint=error.hint) from error

    def _load(self, info: ModelInfo) -> Predictor:
        with self._cache.reading(info.sha256) as directory:
            return load_checked(directory, info.sha256, threads=self._options.threads)

    def _swap(self, predictor: Predictor, info: ModelInfo, begun: float) -> None:
        self.current = LoadedModel(predictor, info)
        self.last_swap_seconds = time.monotonic() - begun
        self.swaps += 1
        log.info("%s of %s is live", info, info.name, extra={"seconds": self.last_swap_seconds})

    def _confirm(self, info: ModelInfo) -> None:
        """Record that the registry named this version; the file is written when it changes."""
        at = self._answer.at
        if at is None:
            return
        self.confirmed_at = at
        if self._recorded and self._recorded[0] == info and at - self._recorded[1] < _RECORD_AGAIN:
            return
        try:
            self._cache.confirm(info, at)
            self._cache.prune({info.sha256})
        except StorageError as error:
            self.failures["record"] += 1
            if self.failures["record"] == 1:  # it is tried again at every look
                log.warning("the champion could not be recorded: %s", error.message)
            return
        self._recorded = info, at

    def _pause(self) -> float:
        """Seconds until the next look: short while nothing answers, and no more than a retry's."""
        pause = self._poll
        if self.current is None and self._silent:
            pause = min(pause, 2.0 ** min(self._silent - 1, 10))
        return min(pause, self._attempts.seconds_left() or pause)
