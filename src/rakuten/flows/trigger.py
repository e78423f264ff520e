"""Start the deployment of the monitor flow on the Prefect server, seldom enough."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rakuten.errors import ConfigurationError, SchedulerAwayError

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient

DEPLOYMENT: Final = "monitor/monitor"
TAG: Final = "alert"
"""Tag of runs that an alert started."""

_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Started:
    """Whether a run was started; ``detail`` is its name, or why there is none."""

    started: bool
    detail: str


def start_check(minutes: float) -> Started:
    """Start a run of the monitor flow, unless one goes on or an alert started one just now.

    The Prefect server is asked about both, so that it holds after a restart and for several
    webhooks. It takes at most ten seconds.

    Args:
        minutes: least time since the last run that an alert started.

    Raises:
        ConfigurationError: no Prefect server is named.
        SchedulerAwayError: the server did not answer, or has no such deployment.
    """
    import httpx
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigurationError(
            "A check needs a Prefect server, and none is named.",
            hint="set PREFECT_API_URL in .env; docs/orchestration.md starts a server",
        )
    try:
        return asyncio.run(asyncio.wait_for(_start(timedelta(minutes=minutes)), _SECONDS))
    except ObjectNotFound as error:
        raise SchedulerAwayError(
            f"The Prefect server has no deployment {DEPLOYMENT}.",
            hint="rakuten flow serve makes it, or prefect deploy --all",
        ) from error
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise SchedulerAwayError(
            f"The Prefect server did not answer ({type(error).__name__}).",
            hint="see whether it runs, and PREFECT_API_URL",
        ) from error


async def _start(pause: timedelta) -> Started:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType

    under_way = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    async with get_client() as client:
        deployment = (await client.read_deployment_by_name(DEPLOYMENT)).id
        if await _there_is(client, deployment, state={"type": {"any_": under_way}}):
            return Started(False, "a check is under way")
        waiting = {"type": {"any_": [StateType.SCHEDULED]}}
        ours = {"all_": [TAG]}
        if await _there_is(client, deployment, state=waiting, tags=ours):
            return Started(False, "a check waits for a worker")
        recent = {"after_": datetime.now(UTC) - pause}
        if await _there_is(client, deployment, expected_start_time=recent, tags=ours):
            return Started(False, f"an alert started a check within {pause}")
        run = await client.create_flow_run_from_deployment(deployment, tags=[TAG])
        return Started(True, run.name)


async def _there_is(client: "PrefectClient", deployment: "UUID", **conditions: Any) -> bool:
    """Whether the deployment has a run that fulfils conditions of the API."""
    from prefect.client.schemas.filters import FlowRunFilter

    wanted = FlowRunFilter.model_validate({"deployment_id": {"any_": [deployment]}, **conditions})
    return bool(await client.read_flow_runs(flow_run_filter=wanted, limit=1))
