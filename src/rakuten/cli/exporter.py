"""Command of the exporter: what checks, flows and people left in the store, for Prometheus."""

from typing import Annotated

import typer

from rakuten.cli.context import project


def exporter(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; a container needs 0.0.0.0.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 9108,
    every: Annotated[
        float, typer.Option(min=0, help="Read the store at most once in so many seconds.")
    ] = 5.0,
) -> None:
    """Show Prometheus what the store holds: checks, decisions, reviews, pipeline runs (/metrics).

    It reads the store (DATABASE_URL) while it is asked, and writes nothing. While the store is
    away rakuten_exporter_store_up is 0. SIGTERM ends it with exit code 0.
    """
    from rakuten.errors import MissingExtraError

    current = project(context)
    settings = current.settings
    try:
        from rakuten.monitoring.exporter.app import serve_metrics
        from rakuten.monitoring.exporter.source import StoreSource
    except ModuleNotFoundError as error:
        package = error.name or "prometheus_client"
        raise MissingExtraError(package, "serve", "The exporter") from error
    url = settings.store_url(current.root)
    source = StoreSource(url, settings.mlflow_model_name, every=every)
    serve_metrics(source, host, port)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(exporter)
