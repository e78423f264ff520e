"""What Prefect calls when a run failed or crashed: people are told."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rakuten.errors import RakutenError
from rakuten.flows.notify import notify
from rakuten.logs import get_logger
from rakuten.settings import Settings, load_env_file, load_settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State

log = get_logger(__name__)


def tell_failure(flow: Any, flow_run: "FlowRun", state: "State[Any]") -> None:
    """Tell people that a run failed or crashed; of a run within a run the outer one tells."""
    if flow_run.parent_task_run_id is not None:
        return
    from prefect.utilities.urls import url_for

    page = url_for("flow-run", flow_run.id)
    text = f"{flow.name}, run {flow_run.name}, ended as {state.name}: {state.message}"
    notify(f"{text}\n{page}" if page else text, _settings(flow_run.parameters))


def _settings(parameters: dict[str, Any]) -> Settings:
    try:
        load_env_file(Path(parameters.get("root", ".")))
        return load_settings()
    except RakutenError as error:  # it may be what the run failed for
        log.warning("%s", error.message)
        return Settings.model_construct()
