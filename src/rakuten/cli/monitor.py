"""Commands about live traffic: monitor checks it, drift show opens the newest report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rakuten.cli.context import project

if TYPE_CHECKING:
    from rich.console import Console

    from rakuten.monitoring.check import Checked
    from rakuten.monitoring.window import Seen

ALERT = 3
"""Exit code where a person is needed; 1 is an error, on which nothing was decided."""
RETRAIN = 4
"""Exit code where the model is to be trained again."""

drift = typer.Typer(help="Reports on drift of live traffic.", no_args_is_help=True)


def monitor(
    context: typer.Context,
    rows: Annotated[
        int | None,
        typer.Option(
            min=100, max=20_000, help="Newest answers to look at [monitoring.window_rows]."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print run and decision as JSON.")
    ] = False,
    notice: Annotated[
        Path | None,
        typer.Option("--summary", help="Write the decision and its reasons here, as Markdown."),
    ] = None,
) -> None:
    """Check the newest answers of the live model once: drift, labels, what to do.

    Compares them with the reference sample of the version that is champion, scores what people
    labelled, writes a report into reports/monitoring, and keeps run and decision in the store.
    It decides and acts on nothing: it trains no model and moves no alias.

    Exit codes: 0 nothing to do, or watch; 3 alert (a check that failed is one); 4 retrain;
    1 an error: the store is out of reach, a package is missing. An error decides nothing.
    """
    import json

    from rakuten.cli import render
    from rakuten.errors import MissingExtraError
    from rakuten.io import write_text

    current = project(context)
    params = current.params.monitoring
    if rows is not None:
        params = params.model_copy(update={"window_rows": rows})
    try:
        from rakuten.monitoring.check import check_traffic
        from rakuten.monitoring.notice import decision_notice
        from rakuten.monitoring.summary import to_values
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "sqlalchemy", "monitor", "Monitoring") from error
    found = check_traffic(current.paths, current.settings, params, note=render.note)
    if as_json:
        values = to_values(found.run, found.decision)
        typer.echo(json.dumps(values, ensure_ascii=False, indent=2))
    else:
        _show(found)
    if notice is not None:
        write_text(notice, decision_notice(found.run, found.decision, found.seen))
    code = {"alert": ALERT, "retrain": RETRAIN}.get(found.decision.action, 0)
    raise typer.Exit(code)


@drift.command("show")
def show(
    context: typer.Context,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the path of the page; open nothing.")
    ] = False,
) -> None:
    """Open the newest report of rakuten monitor in the browser.

    Exit codes: 0 there is one, 1 there is none, or no browser to open it with.
    """
    import webbrowser

    from rakuten.errors import DataNotFoundError, RakutenError
    from rakuten.monitoring.files import newest_report, reports_folder

    current = project(context)
    page = newest_report(current.paths)
    if page is None:
        raise DataNotFoundError(
            f"There is no report in {reports_folder(current.paths)} yet.",
            hint="rakuten monitor writes one",
        )
    typer.echo(page)
    if not no_open and not webbrowser.open(page.resolve().as_uri()):
        raise RakutenError("No browser could be started.", hint="open the page above yourself")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(monitor)
    app.add_typer(drift, name="drift")


def _show(found: "Checked") -> None:
    from rakuten.cli import render

    console, run, decision = render.out(), found.run, found.decision
    if found.seen is None:
        console.print(f"the check failed: {run.error}", markup=False)
    else:
        _show_seen(console, found.seen)
    console.print(f"decision: {decision.action}", style="bold")
    for reason in decision.reasons:
        console.print(f"  {reason['sentence']}", markup=False)
    console.print(f"run: {run.run_id}")
    if found.report:
        console.print(f"report: {found.report}", markup=False)


def _show_seen(console: "Console", seen: "Seen") -> None:
    from rakuten.cli import render
    from rakuten.monitoring.summary import expected_lines, measured_lines, sorted_columns

    check, found = seen.drift, seen.performance
    console.print(
        f"{seen.read} newest answers of {seen.live.version} beside {check.n_reference} rows of its "
        "reference"
    )
    span = f"{seen.start:%Y-%m-%d %H:%M} to {seen.end:%Y-%m-%d %H:%M} UTC; " if seen.start else ""
    console.print(f"  {span}{check.n_corrupt} damaged and {check.n_erased} erased ones left out")
    drifted = [
        (c.name, c.effect, c.threshold, c.adjusted_p, c.effect_name)
        for c in sorted_columns(check)
        if c.verdict == "drifted"
    ]
    words = check.outcome.value.replace("_", " ")
    console.print(f"drift: {words}; {len(drifted)} of {len(check.columns)} columns drifted")
    if drifted:
        columns = ("column", "effect", "floor", "adjusted p", "effect is")
        console.print(render.table("", columns, drifted))
    title = f"{found.labels} of {found.rows} answers are labelled"
    for heading, lines, counted in (
        (title, measured_lines(seen), "labels"),
        ("what confidence alone promises, no measurement", expected_lines(seen), "answers"),
    ):
        rows = [
            (line.name, line.value, _range(line.interval), line.count)
            for line in lines
            if line.value is not None
        ]
        console.print(render.table(heading, ("score", "value", "95 %", counted), rows))


def _range(interval: tuple[float, float] | None) -> str | None:
    return f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else None
