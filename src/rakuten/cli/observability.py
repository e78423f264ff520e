"""Commands that write what watches the system: observability rules, observability alertmanager."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Rules, alerts and routes for Prometheus and Alertmanager.", no_args_is_help=True
)

Scale = Annotated[
    str, typer.Option(help="What every length of time is multiplied by, as in 1/120.")
]


@app.command()
def rules(
    output: Annotated[Path, typer.Option(help="Folder for prometheus.yml and rules/.")],
    scale: Scale = "1",
    api: Annotated[
        list[str] | None,
        typer.Option(help="A process of the service, HOST:PORT; may be repeated [127.0.0.1:8000]."),
    ] = None,
    exporter: Annotated[str, typer.Option(help="The exporter, HOST:PORT.")] = "127.0.0.1:9108",
    alertmanager: Annotated[str, typer.Option(help="Alertmanager, HOST:PORT.")] = "127.0.0.1:9093",
    prometheus: Annotated[
        str, typer.Option(help="Prometheus itself, HOST:PORT.")
    ] = "127.0.0.1:9090",
    dns: Annotated[
        bool,
        typer.Option("--dns", help="Names of service and exporter stand for all their addresses."),
    ] = False,
    scrape_interval: Annotated[
        str | None,
        typer.Option(help="Between scrapes and between evaluations, not scaled [15s × scale]."),
    ] = None,
    runbooks: Annotated[
        str, typer.Option(help="Folder or address of the runbooks that alerts point to.")
    ] = "docs/runbooks",
) -> None:
    """Write Prometheus' configuration, recording rules and alerts (docs/alerts.md)."""
    from rakuten.observability.prometheus import Targets
    from rakuten.observability.rules import write_rules
    from rakuten.observability.timescale import TimeScale

    targets = Targets(
        api=tuple(api or ["127.0.0.1:8000"]),
        exporter=exporter,
        alertmanager=alertmanager,
        prometheus=prometheus,
        dns=dns,
    )
    factor = TimeScale.parse(scale)
    for path in write_rules(output, factor, targets, interval=scrape_interval, runbooks=runbooks):
        typer.echo(path)


@app.command()
def alertmanager(
    output: Annotated[Path, typer.Option(help="Folder for alertmanager.yml.")],
    scale: Scale = "1",
    webhook: Annotated[
        str, typer.Option(help="rakuten flow webhook, HOST:PORT.")
    ] = "127.0.0.1:9110",
    token_file: Annotated[
        str, typer.Option(help="File with its token, as Alertmanager sees it.")
    ] = "/run/secrets/rakuten_webhook_token",  # noqa: S107 - a path
    slack_url_file: Annotated[
        str | None, typer.Option(help="File with a Slack webhook for pages and tickets.")
    ] = None,
    pagerduty_key_file: Annotated[
        str | None, typer.Option(help="File with a PagerDuty key for pages.")
    ] = None,
) -> None:
    """Write Alertmanager's routes. The file holds no secret, only paths of files that do."""
    from rakuten.observability.alertmanager import Receivers, write_alertmanager
    from rakuten.observability.timescale import TimeScale

    receivers = Receivers(webhook, token_file, slack_url_file, pagerduty_key_file)
    path = output / "alertmanager.yml"
    write_alertmanager(path, TimeScale.parse(scale), receivers)
    typer.echo(path)
