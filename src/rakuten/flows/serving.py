"""Both flows served with their schedules from one process, which runs them as its children."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from rakuten.errors import ConfigurationError
from rakuten.logs import get_logger

log = get_logger(__name__)

DEPLOYMENTS: Final = "prefect.yaml"


def serve_flows(root: Path) -> None:
    """Serve the deployments of ``prefect.yaml`` until the process is told to end.

    Then the schedules pause, and runs that go on are ended first. The next start goes on with
    what is due from then on.

    Raises:
        ConfigurationError: no server is named, or ``prefect.yaml`` cannot be used.
    """
    from prefect.runner import Runner
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigurationError(
            "Schedules need a Prefect server, and none is named.",
            hint="set PREFECT_API_URL in .env; docs/orchestration.md starts a server",
        )
    served = [_deployment(entry, root) for entry in read_deployments(root)]

    async def run() -> None:
        loop, serving = asyncio.get_running_loop(), asyncio.current_task()

        class Server(Runner):
            """Prefect's own leaves schedules on when it is terminated; this one ends in order."""

            def handle_sigterm(self, *_: Any) -> None:
                if serving is not None:
                    loop.call_soon_threadsafe(serving.cancel)

        runner = Server(name="rakuten", pause_on_shutdown=True)
        for deployment in served:
            await runner.aadd_deployment(deployment)
            log.info("serving %s/%s", deployment.flow_name, deployment.name)
        await runner.start()

    try:
        asyncio.run(run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        log.info("flows are no longer served")


def read_deployments(root: Path) -> list[dict[str, Any]]:
    """Deployments as ``prefect.yaml`` has them.

    Raises:
        ConfigurationError: there is no such file, or none in it.
    """
    path = root / DEPLOYMENTS
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = [dict(entry) for entry in content["deployments"]]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path} names no deployments ({type(error).__name__}).",
            hint=f"git checkout -- {DEPLOYMENTS}",
        ) from error
    return found


def _deployment(entry: Mapping[str, Any], root: Path) -> Any:
    """A deployment for this process, from its entry."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.flows import load_flow_from_entrypoint
    from prefect.types.entrypoint import EntrypointType

    limit = entry.get("concurrency_limit")
    try:
        return load_flow_from_entrypoint(entry["entrypoint"]).to_deployment(
            entry["name"],
            description=entry.get("description"),
            parameters={**entry.get("parameters", {}), "root": str(root.resolve())},
            schedules=[_schedule(schedule) for schedule in entry.get("schedules", [])],
            concurrency_limit=None if limit is None else ConcurrencyLimitConfig(**limit),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{root / DEPLOYMENTS} has a deployment that cannot be used: {error}.",
            hint="https://docs.prefect.io/v3/how-to-guides/deployments/prefect-yaml",
        ) from error


def _schedule(entry: Mapping[str, Any]) -> Any:
    """A schedule from its entry, where an interval is a number of seconds."""
    from prefect.schedules import Schedule

    values = dict(entry)
    if "interval" in values:
        values["interval"] = timedelta(seconds=values["interval"])
    return Schedule(**values)
