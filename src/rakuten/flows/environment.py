"""Prefect's own settings, chosen before it is imported; what the environment says goes before."""

import os
from pathlib import Path
from typing import Final

from rakuten.errors import MissingExtraError
from rakuten.io import storage_error

_DEFAULTS: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Without PREFECT_API_URL Prefect starts a server of its own, on loopback, for the command.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}


def prepare_prefect(root: Path) -> None:
    """Choose what nobody chose: no telemetry, and a home below the project, not below the user's.

    Call it before anything imports Prefect, which reads its settings then.

    Raises:
        MissingExtraError: Prefect is not installed.
        StorageError: its home cannot be made.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "PREFECT_HOME" not in os.environ:
        home = (root / ".rakuten" / "prefect").resolve()
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, home) from error
        os.environ["PREFECT_HOME"] = str(home)
    try:
        import prefect  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("prefect", "orchestrate", "Running flows") from error
