"""The command simulate-drift: traffic for a running service that drifts on purpose."""

from typing import Annotated

import typer

from rakuten.cli.context import project
from rakuten.monitoring.kinds import Drift, Strength


def simulate_drift(
    context: typer.Context,
    drift: Annotated[Drift, typer.Argument(help="What happens to the shop.")],
    strength: Annotated[Strength, typer.Option(help="How much of it.")] = Strength.STRONG,
    rows: Annotated[int, typer.Option(min=1, help="Listings to send.")] = 500,
    labels: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the answers whose true type is given after."),
    ] = 0.0,
    reviewer: Annotated[str, typer.Option(help="Who gives the true types.")] = "simulation",
    seed: Annotated[int, typer.Option(help="Chooses the listings and what changes.")] = 0,
    url: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None,
        typer.Option(envvar="RAKUTEN_API_KEY", help="Key with the scopes predict and review."),
    ] = None,
) -> None:
    """Send a running service listings of X_test.csv as a shop does whose products drift.

    Answers and labels go into its prediction store like any others: never do this to a service
    that real shops use. Afterwards `rakuten monitor` tells what it sees. docs/monitoring.md says
    what each kind and strength is.
    """
    from rakuten.cli import render
    from rakuten.client import Client
    from rakuten.monitoring import simulate
    from rakuten.monitoring import simulated_traffic as traffic

    current = project(context)
    current.settings  # noqa: B018 - reads .env, where the key may be
    raw = current.paths.raw
    drifted = traffic.drift_listings(
        traffic.read_listings(raw),
        drift,
        strength,
        rows=rows,
        known=traffic.training_words(raw) if drift is Drift.NEW_VOCABULARY else set(),
        seed=seed,
    )
    restyled = drift is Drift.PHOTO_STYLE
    with Client(url, api_key=api_key) as client, render.progress_bar("listings") as progress:
        sent = traffic.send_listings(
            client,
            drifted,
            style=simulate.PHOTO_STYLES[list(Strength).index(strength)] if restyled else None,
            label_share=labels,
            reviewer=reviewer,
            seed=seed,
            progress=progress,
        )
    words = "no drift" if drift is Drift.NONE else f"{drift}, {strength}"
    render.out().print(
        f"{sent.answered} listings answered ({words}), {sent.refused} refused, "
        f"{sent.labelled} true types given"
    )


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("simulate-drift")(simulate_drift)
