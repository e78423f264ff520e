"""The access log: a line for each request, never with what it holds."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Scope

from rakuten.logs import Bundle, get_logger

log = get_logger("rakuten.access")

STATED: Final = (
    *(
        "key_id",
        "prediction_id",
        "prediction_ids",
        "model_name",
        "model_version",
        "reason",
        "trace_id",
    ),
)
"""What handlers say of a request in its state; a line has what was said."""
_TEMPLATE = vars(
    logging.LogRecord(log.name, logging.INFO, __file__, 0, "%s %s %d", None, None, "access")
)


class AccessLog:
    """Writes the lines of requests that end in one turn of the event loop at once.

    A write lets other threads go on, and to come back takes longer than all of the line.
    """

    def __init__(self) -> None:
        self._records: list[logging.LogRecord] = []

    def add(self, scope: Scope, route: str, status: int, seconds: float, request_id: str) -> None:
        """Take note of a request that has its answer."""
        if not log.isEnabledFor(logging.INFO):
            return
        state: Mapping[str, Any] = scope["state"]
        method = scope["method"]
        # By hand: to find out which line of code logs takes longer than all the rest.
        record = logging.LogRecord.__new__(logging.LogRecord)
        record.__dict__ = {
            **_TEMPLATE,
            "args": (method, route, status),
            "created": time.time(),
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "request_id": request_id,
            **{name: state[name] for name in STATED if name in state},
        }
        if not self._records:
            asyncio.get_running_loop().call_soon(self._write)
        self._records.append(record)

    def _write(self) -> None:
        records, self._records = self._records, []
        log.handle(Bundle(records))
