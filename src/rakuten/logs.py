"""Structured logs: one line an event on standard error, as text for people or JSON for machines."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

Progress = Callable[[int, int], None]
"""Called with (done, total) while long work goes on."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class Bundle(logging.LogRecord):
    """Records of one kind that became ready together, for one write: a line each."""

    def __init__(self, records: Sequence[logging.LogRecord]) -> None:
        first = records[0]
        message = f"{len(records)} events"
        super().__init__(first.name, first.levelno, first.pathname, 0, message, None, None)
        self.records = records


def get_logger(name: str) -> logging.Logger:
    """Logger of a module; fields are passed with ``extra={...}``."""
    return logging.getLogger(name)


def configure_logs(*, level: str = "INFO", json_lines: bool = False) -> None:
    """Send the project's log to standard error; called once, by the command line."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # on metadata of photos that decode
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if json_lines else _TextFormatter())
    root = logging.getLogger("rakuten")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


def adopt_libraries() -> None:
    """Write what libraries warn of in the same form, on the same stream; Python's warnings too."""
    root = logging.getLogger()
    root.handlers[:] = logging.getLogger("rakuten").handlers
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _STANDARD}


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        records = record.records if isinstance(record, Bundle) else [record]
        return "\n".join(map(self.line, records))

    def line(self, record: logging.LogRecord) -> str:
        raise NotImplementedError


class _TextFormatter(_LineFormatter):
    def line(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"{level}{record.getMessage()}" + (f"  {fields}" if fields else "")
        # One event, one line: what a seller wrote must not look like another event.
        line = line.replace("\r", "\\r").replace("\n", "\\n")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(_LineFormatter):
    def line(self, record: logging.LogRecord) -> str:
        event = {
            **_fields(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return _encode(event)
