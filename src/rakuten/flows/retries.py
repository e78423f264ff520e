"""What is worth another try: an outage, a lock, a killed process; never an answer."""

from collections.abc import Callable
from typing import Any, Final

from rakuten.errors import (
    BusyError,
    DatabaseAwayError,
    InterruptedStageError,
    PromotionError,
    TrackingError,
)

TRANSIENT: Final = (
    BusyError,
    DatabaseAwayError,
    InterruptedStageError,
    PromotionError,
    TrackingError,
)
"""Errors that may be over in a while. Everything else would only fail again."""


def is_transient(error: object) -> bool:
    """Whether the same work may succeed later."""
    return isinstance(error, TRANSIENT)


def retry_options(tries: int, seconds: float) -> dict[str, Any]:
    """Options of a Prefect task: ``tries`` more attempts after transient errors, ever later.

    Args:
        tries: attempts after the first.
        seconds: before the first of them; each later one waits twice as long.
    """
    delays = [seconds * 2**attempt for attempt in range(tries)]
    condition: Callable[..., bool] = _may_succeed
    return {"retries": tries, "retry_delay_seconds": delays, "retry_condition_fn": condition}


def _may_succeed(_task: Any, _run: Any, state: Any) -> bool:
    return is_transient(state.result(raise_on_failure=False))
