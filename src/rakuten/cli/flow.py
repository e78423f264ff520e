"""Commands that run flows: flow run, flow serve, flow webhook."""

from typing import TYPE_CHECKING, Annotated

import typer

from rakuten.cli.context import Project, project

if TYPE_CHECKING:
    from rakuten.flows.project import Limits

app = typer.Typer(help="The pipeline and monitoring as Prefect flows.", no_args_is_help=True)
run = typer.Typer(help="Run a flow here and now, with a Prefect server or without.")
app.add_typer(run, name="run", no_args_is_help=True)

REFUSED = 3
"""Exit code of a pipeline run whose model the gate refused, as in ``rakuten promote``."""

StageMinutes = Annotated[
    float, typer.Option(min=0.01, help="End a stage, or a push, that takes longer.")
]
LockMinutes = Annotated[
    float, typer.Option(min=0, help="Wait for another pipeline run of this project.")
]
Retries = Annotated[
    int, typer.Option(min=0, max=12, help="Further attempts after an outage or a lock.")
]
RetrySeconds = Annotated[
    float, typer.Option(min=0, help="Wait before the first of them; each later wait doubles.")
]


@run.command("pipeline")
def pipeline(
    context: typer.Context,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="First export corrected labels, to be trained on.")
    ] = False,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Register the model and do not ask the gate.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="At last dvc push to the default remote.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record of the promotion.")] = "",
    stage_minutes: StageMinutes = 240,
    lock_minutes: LockMinutes = 30,
    retries: Retries = 5,
    retry_seconds: RetrySeconds = 4,
) -> None:
    """Bring the pipeline up to date, register its model, and let the gate decide.

    Exit codes: 0 promoted, live already or registered, 3 refused by the gate, 1 an error.
    """
    from rakuten.cli import render

    current, limits = _prepared(context, stage_minutes, lock_minutes, retries, retry_seconds)
    from rakuten.flows.pipeline import rakuten_pipeline

    found = rakuten_pipeline(
        root=current.root.resolve(),
        feedback=feedback,
        promote=not no_promote,
        push=push,
        reason=reason,
        limits=limits,
    )
    render.out().print(found.sentence(current.settings.mlflow_model_name))
    if found.state == "refused":
        raise typer.Exit(REFUSED)


@run.command("monitor")
def monitor(
    context: typer.Context,
    push: Annotated[
        bool, typer.Option("--push", help="After a retraining, dvc push to the default remote.")
    ] = False,
    stage_minutes: StageMinutes = 240,
    lock_minutes: LockMinutes = 30,
    retries: Retries = 5,
    retry_seconds: RetrySeconds = 4,
) -> None:
    """Carry out a retraining that is open; else check live traffic, decide, retrain if so.

    Exit codes: 0 whatever was decided and came of it, 1 where the check or a retraining failed.
    """
    from rakuten.cli import render
    from rakuten.errors import MissingExtraError

    current, limits = _prepared(context, stage_minutes, lock_minutes, retries, retry_seconds)
    try:
        from rakuten.flows.monitor import monitor as monitor_flow
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "sqlalchemy", "monitor", "Monitoring") from error
    found = monitor_flow(root=current.root.resolve(), push=push, limits=limits)
    render.out().print(found, markup=False)


@app.command()
def serve(context: typer.Context) -> None:
    """Serve both flows with the schedules of prefect.yaml, until told to end (Ctrl-C, SIGTERM).

    Needs a Prefect server: PREFECT_API_URL. Each run is a process of its own.
    """
    from rakuten.flows.environment import prepare_prefect

    current = project(context)
    current.settings  # noqa: B018 - reads .env, where Prefect's settings may be
    prepare_prefect(current.root)
    from rakuten.flows.serving import serve_flows

    serve_flows(current.root)


@app.command()
def webhook(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [9110].")] = None,
) -> None:
    """Take messages of Alertmanager: tell people of alerts, and start checks of the traffic.

    A check needs a Prefect server (PREFECT_API_URL) and a token (RAKUTEN_WEBHOOK_TOKEN or
    RAKUTEN_WEBHOOK_TOKEN_FILE); telling needs neither. Until Ctrl-C or SIGTERM.
    """
    from rakuten.flows.environment import prepare_prefect
    from rakuten.flows.webhook_settings import load_webhook_settings

    current = project(context)
    settings = current.settings
    webhook_settings = load_webhook_settings(host=host, port=port)
    prepare_prefect(current.root)
    from rakuten.flows.webhook import serve_webhook

    serve_webhook(settings, webhook_settings)


def _prepared(
    context: typer.Context,
    stage_minutes: float,
    lock_minutes: float,
    retries: int,
    retry_seconds: float,
) -> "tuple[Project, Limits]":
    """Settings first, then Prefect, which reads its own from them."""
    from rakuten.flows.environment import prepare_prefect

    current = project(context)
    current.settings  # noqa: B018 - reads .env, where Prefect's settings may be
    prepare_prefect(current.root)
    from rakuten.flows.project import Limits

    return current, Limits(
        stage_minutes=stage_minutes,
        lock_minutes=lock_minutes,
        retries=retries,
        retry_seconds=retry_seconds,
    )
