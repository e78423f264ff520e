"""Commands about tracked runs: list, resume, finalize."""

from typing import Annotated

import typer

from rakuten.cli.context import project

app = typer.Typer(help="Runs in MLflow and on their way there.", no_args_is_help=True)


@app.command("list")
def list_runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 10,
) -> None:
    """Show the newest runs of the experiment, and those that wait."""
    from datetime import datetime

    from rakuten.cli import render
    from rakuten.tracking.mlflow_store import MlflowStore
    from rakuten.tracking.pending import waiting_runs

    current = project(context)
    settings, console = current.settings, render.out()
    waiting = waiting_runs(current.paths.pending_runs)
    if waiting.runs:  # before the server is asked, which may be why they wait
        console.print(
            f"{len(waiting.runs)} waiting in {current.paths.pending_runs}: rakuten runs resume"
        )
    for folder, reason in waiting.broken.items():
        render.err().print(f"warning: {folder} is no run record: {reason}", markup=False)
    runs = MlflowStore(settings, current.root).recent(settings.mlflow_experiment_name, limit)
    rows = [
        (
            run.info.run_id,
            run.info.run_name,
            datetime.fromtimestamp(run.info.start_time / 1000).strftime("%Y-%m-%d %H:%M"),
            run.data.metrics.get("held_out.weighted_f1"),
            run.data.tags.get("git_commit", "")[:8],
            run.data.tags.get("split_fingerprint", "")[:8],
        )
        for run in runs
    ]
    columns = ("run", "name", "started", "weighted F1", "commit", "split")
    console.print(render.table(settings.mlflow_experiment_name, columns, rows))


@app.command()
def resume(context: typer.Context) -> None:
    """Log the runs that wait because the tracking server was away."""
    from rakuten.cli import render
    from rakuten.tracking.runs import resume_runs

    current = project(context)
    console = render.out()
    logged = resume_runs(
        current.paths, current.settings, logged=lambda run_id: console.print(f"  {run_id}")
    )
    console.print(f"logged {len(logged)} runs" if logged else "no run is waiting")


@app.command()
def finalize(context: typer.Context) -> None:
    """Attach dvc.lock and the output hashes to the run that made the current model."""
    from rakuten.cli import render
    from rakuten.tracking.runs import finalize_run

    current = project(context)
    found = finalize_run(current.paths, current.settings)
    render.out().print(
        {
            "attached": f"run {found.run_id}: dvc.lock and output hashes attached",
            "unchanged": f"run {found.run_id}: already final",
            "waiting": "attached to the waiting run; rakuten runs resume logs it",
            "no_run": "no run of this experiment made this model (it came from the DVC cache); "
            "dvc repro --force train records one",
        }[found.state]
    )
