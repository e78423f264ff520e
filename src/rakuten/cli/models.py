"""The command models: which versions there are, what is live, and how that came about."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rakuten.cli.context import project

if TYPE_CHECKING:
    from rakuten.tracking.moves import Move
    from rakuten.tracking.registry import Version

_COLUMNS = (
    "version",
    "aliases",
    "F1",
    "macro F1",
    "cal. error",
    "auto",
    "split",
    "commit",
    "registered",
    "verdict",
)
_SCORES = ("weighted_f1", "macro_f1", "calibration_error", "coverage")
_HISTORY = ("when", "what", "from", "to", "by", "verdict", "why")


def models(
    context: typer.Context,
    history: Annotated[
        bool, typer.Option("--history", help="Show who moved which alias, when and why.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show the registered versions: aliases, scores, age, verdict; or how aliases moved."""
    from dataclasses import asdict

    from rakuten.cli import render
    from rakuten.tracking.connection import Connection
    from rakuten.tracking.moves import history as moves_of
    from rakuten.tracking.registry import Registry

    current = project(context)
    name = current.settings.mlflow_model_name
    versions = Registry(Connection(current.settings, current.root), name).versions()
    moves = moves_of(versions)
    if as_json:
        answer = {
            "name": name,
            "versions": [
                {**asdict(version), "registered": version.registered.isoformat()}
                for version in versions
            ],
            "history": [asdict(move) for move in moves],
        }
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    console = render.out()
    if not versions:
        console.print(f"no version of {name} is registered: rakuten register")
        return
    if history:
        title = f"alias moves of {name} (UTC)"
        console.print(render.table(title, _HISTORY, [_move(move) for move in moves]))
    else:
        console.print(render.table(name, _COLUMNS, [_row(version) for version in versions]))


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(models)


def _row(version: "Version") -> tuple[Any, ...]:
    return (
        version.number,
        ", ".join(version.aliases),
        *(version.score(name) for name in _SCORES),
        version.split_fingerprint[:8],
        version.tags.get("git_commit", "")[:8],
        _age(version),
        "rolled back" if "rolled_back" in version.tags else _outcome(version),
    )


def _age(version: "Version") -> str:
    from datetime import UTC, datetime

    seconds = (datetime.now(UTC) - version.registered).total_seconds()
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def _outcome(version: "Version") -> str | None:
    tag = version.tags.get("gate")
    try:
        return str(json.loads(tag)["outcome"]) if tag else None
    except (LookupError, TypeError, ValueError):  # somebody wrote it by hand
        return tag


def _move(move: "Move") -> tuple[Any, ...]:
    return (
        move.at[:19].replace("T", " "),
        move.kind if move.state == "done" else f"{move.kind} (interrupted)",
        move.origin,
        move.to,
        move.by,
        move.verdict,
        move.why,
    )
