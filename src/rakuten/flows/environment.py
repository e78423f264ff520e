"""Prefect's own settings, chosen before it is imported; what the environment says goes before."""

import os
from pathlib import Path
from typing import Final

from rakuten.errors import MissingExtraError

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
    """
    home = {"PREFECT_HOME": str((root / ".rakuten" / "prefect").resolve())}
    for name, value in (_DEFAULTS | home).items():
        os.environ.setdefault(name, value)
    try:
        import prefect  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("prefect", "orchestrate", "Running flows") from error
