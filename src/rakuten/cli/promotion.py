"""Commands that change what is live: register, promote, rollback."""

from typing import TYPE_CHECKING, Annotated

import typer

from rakuten.cli.context import project

if TYPE_CHECKING:
    from rakuten.stages.promotion import Mode, Promotion
    from rakuten.tracking.registry import Version

REFUSED = 3
"""Exit code of a promotion that the gate refused; 1 is an error, such as an outage."""


def register(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Option(help="Id of a finished run [the run of models/classifier].")
    ] = None,
) -> None:
    """Make a version of a finished run in the model registry; it becomes the challenger.

    Training alone registers nothing. A run that is registered already is only shown.
    """
    from rakuten.cli import render
    from rakuten.stages.promotion import run_register

    current = project(context)
    version = run_register(current.paths, current.settings, run_id=run)
    render.out().print(
        f"{current.settings.mlflow_model_name} {_named(version)}, run {version.run_id}"
    )


def promote(
    context: typer.Context,
    version: Annotated[
        int | None, typer.Option(help="Version to promote [the challenger].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge and show the verdict; change nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Promote against the verdict; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    rebase: Annotated[
        bool,
        typer.Option(
            "--rebase",
            help="Where the splits differ: train the champion's parameters on the challenger's "
            "training side and compare with that.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Score challenger and champion on the same held-out rows and promote if the gate agrees.

    Exit codes: 0 promoted (or would be, or is live already), 3 refused by the gate, 1 an error:
    registry or artifacts out of reach, another promotion under way. An error promotes nothing.
    """
    from rakuten.cli import render
    from rakuten.errors import ConfigurationError
    from rakuten.io import read_json
    from rakuten.stages.promotion import Request, run_promote

    if dry_run and force:
        raise ConfigurationError("--dry-run changes nothing and --force does; choose one.")
    current = project(context)
    mode: Mode = "dry_run" if dry_run else "force" if force else "normal"
    with render.progress_bar("answering held-out rows") as progress:
        found = run_promote(
            current.paths,
            current.params,
            current.settings,
            Request(version, mode, rebase, reason),
            threads=current.settings.rakuten_threads,
            cache=current.cache,
            note=render.note,
            progress=progress,
        )
    if as_json:
        import json

        verdict = read_json(found.report) if found.report else None
        answer = {"state": found.state, "version": found.challenger.number, "verdict": verdict}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _show(found)
    if found.state == "refused":
        raise typer.Exit(REFUSED)


def rollback(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    no_check: Annotated[
        bool,
        typer.Option("--no-check", help="Do not load the previous model first (store is away)."),
    ] = False,
) -> None:
    """Make the previous version the champion again, at once.

    The version that is rolled back is marked: only promote --force makes it live again.
    """
    from rakuten.cli import render
    from rakuten.stages.promotion import run_rollback

    current = project(context)
    found = run_rollback(current.paths, current.settings, reason=reason, check=not no_check)
    gone = f", {found.rolled_back} is rolled back" if found.rolled_back else ""
    checked = "" if found.checked else " (not loaded first)"
    render.out().print(f"{found.champion} is champion again{checked}{gone}")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (register, promote, rollback):
        app.command()(command)


def _named(version: "Version") -> str:
    aliases = ", ".join(version.aliases)
    return f"version {version.number} ({aliases})" if aliases else f"version {version.number}"


def _show(found: "Promotion") -> None:
    from rich.text import Text

    from rakuten.cli import render

    console, challenger, champion = render.out(), found.challenger, found.champion
    if found.verdict is None:
        console.print(f"{challenger} is the champion already")
        return
    verdict = found.verdict
    beside = f" beside the champion, {champion}" if champion else "; there is no champion yet"
    console.print(f"{challenger}{beside}, {verdict.rows} held-out rows")
    for check in verdict.checks:
        label, style = ("ok", "green") if check.passed else ("FAIL", "bold red")
        console.print(Text.assemble((f"{label:<5}", style), f"{check.name:<20} {check.detail}"))
    if verdict.challenger:
        rows = [
            (name, value, (verdict.champion or {}).get(name))
            for name, value in verdict.challenger.items()
        ]
        console.print(render.table("", ("score", str(challenger), "champion"), rows))
    states = {
        "promoted": f"{challenger} is champion now",
        "refused": f"{challenger} is not promoted",
        "would_promote": f"{challenger} would be promoted (dry run: nothing was changed)",
    }
    console.print(states[found.state])
    console.print(f"verdict: {found.report}", markup=False)
