"""Typed errors: each message says what is wrong, where, and what to do about it."""


class RakutenError(Exception):
    """Base of every error this project raises on purpose.

    The message is one or more complete sentences for the person at the terminal;
    ``hint`` is the next step, shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class ContractError(RakutenError):
    """The data breaks its contract as a whole: a missing column, no labels, a torn index."""


class DataNotFoundError(ContractError):
    """A file or folder that the work needs is not there."""


class ConfigurationError(RakutenError):
    """A setting or a parameter has a value that cannot be used."""

    exit_code = 2


class StorageError(RakutenError):
    """The file system refused: no permission, no space, not a folder."""


class ModelError(RakutenError):
    """A model directory is absent, incomplete, altered, or of another format version."""


class RefusedModelError(ModelError):
    """A model that must not answer anybody; ``reason`` is a short, countable word."""

    def __init__(self, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class ImageError(RakutenError):
    """Bytes that are not a picture this project accepts; ``reason`` is a short, countable word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TrackingError(RakutenError):
    """The tracking server did not answer or refused; never means that a run is absent."""


class StoreAwayError(TrackingError):
    """Nobody answered (no connection, a time-out, a server error); it may do so later."""


class WebhookError(RakutenError):
    """A webhook that the registry did not sign, or not now; the answer to it is 401."""


class PreflightError(RakutenError):
    """A stage could not write its results as things are set up; it was not started."""


class BusyError(RakutenError):
    """Somebody else does the same work here, or holds what it needs; later it may be free."""


class PrometheusError(RakutenError):
    """Prometheus did not answer, or would not evaluate what it was asked."""


class StageError(RakutenError):
    """A DVC stage, or another program that the pipeline ran, ended with an error."""


class InterruptedStageError(StageError):
    """A program was killed from outside, or nobody answered it; run again, it may work."""


class CheckFailedError(RakutenError):
    """A check of live traffic failed: it says nothing of the traffic, and nothing follows."""


class PromotionError(RakutenError):
    """An alias was not moved: somebody else is moving it, or it is not where it was."""


class SchedulerAwayError(RakutenError):
    """The Prefect server did not answer, or does not know the deployment; later it may."""


class ServiceAwayError(RakutenError):
    """The prediction service does not answer, or what answers is not the service."""


class ServiceProblem(RakutenError):
    """The prediction service says no; ``status`` is HTTP's, ``reason`` a word to switch on."""

    def __init__(self, status: int, detail: str, reason: str | None) -> None:
        super().__init__(f"{detail.rstrip('.')} ({status}).")
        self.status, self.reason = status, reason


class StoreError(RakutenError):
    """The prediction store refused, or holds something that cannot be read."""


class DatabaseAwayError(StoreError):
    """The database did not answer; it may do so later, and it never means that a row is absent."""


class RecordRefusedError(StoreError):
    """The database is up and refuses this very record, now and later."""


class StoreFullError(StoreError):
    """Nothing can be kept durably now: the database is away and the spool has no room."""


class UnknownPredictionError(StoreError):
    """The database is up and surely holds no prediction of this id."""


class MissingExtraError(RakutenError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed.",
            hint=f"in the project folder: pip install '.[{extra}]'",
        )
