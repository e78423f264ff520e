"""Commands about dashboards: observability dashboards, pictures, panels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rakuten.observability.evaluate import Span

Address = Annotated[str, typer.Option("--prometheus", help="Address of a Prometheus server.")]
Hours = Annotated[
    float | None,
    typer.Option(min=0.01, help="How far to look back [the dashboard's own range]."),
]
ScrapeSeconds = Annotated[
    float, typer.Option(min=0.05, help="How often Prometheus looks at its targets.")
]

LOCAL = "http://127.0.0.1:9090"
EMPTY = 3
"""Exit code where a query found nothing, or could not be evaluated."""


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(dashboards)
    app.command()(pictures)
    app.command()(panels)


def dashboards(
    output: Annotated[Path, typer.Option(help="Folder that Grafana reads dashboards from.")],
    runbooks: Annotated[
        str, typer.Option(help="Folder or address of the runbooks that panels link to.")
    ] = "docs/runbooks",
) -> None:
    """Write the dashboards as Grafana reads them: one JSON file each (docs/dashboards.md)."""
    from rakuten.observability.dashboards import write_dashboards

    for path in write_dashboards(output, runbooks):
        typer.echo(path)


def pictures(
    output: Annotated[Path, typer.Option(help="Folder for the pictures, one PNG each.")],
    prometheus: Address = LOCAL,
    hours: Hours = None,
    scrape_seconds: ScrapeSeconds = 15,
) -> None:
    """Draw every dashboard as it looks now, without Grafana."""
    from rakuten.observability.dashboards import all_dashboards
    from rakuten.observability.pictures import write_pictures

    for board in all_dashboards():
        span = _span(hours or board.hours, scrape_seconds)
        for path in write_pictures(prometheus, output, span, [board]):
            typer.echo(path)


def panels(
    prometheus: Address = LOCAL,
    hours: Hours = None,
    scrape_seconds: ScrapeSeconds = 15,
) -> None:
    """Put every panel's query to Prometheus and print what each finds.

    Exit codes: 0 all found something, 3 some found nothing or failed, 1 and 2 an error.
    """
    from rakuten.observability.evaluate import table, table_text

    rows = table(prometheus, _span(hours or 1, scrape_seconds))
    typer.echo(table_text(rows))
    if any(row.state in ("empty", "error") for row in rows):
        raise typer.Exit(EMPTY)


def _span(hours: float, scrape_seconds: float) -> "Span":
    from rakuten.observability.evaluate import Span

    return Span(seconds=hours * 3600, scrape_seconds=scrape_seconds)
