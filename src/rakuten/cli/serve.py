"""Commands of the prediction service: serve, classify, keys."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rakuten.cli.context import Project, project

if TYPE_CHECKING:
    from rakuten.store.database import Database

keys = typer.Typer(help="API keys of the prediction service.", no_args_is_help=True)


def serve(
    context: typer.Context,
    dev: Annotated[
        bool, typer.Option("--dev", help="Answer without API keys, on loopback only.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [8000].")] = None,
) -> None:
    """Answer over HTTP with the champion of the model registry (docs: /docs of the service).

    RAKUTEN_SERVE_* and DATABASE_URL in .env say more. A model is live as soon as it is promoted.
    """
    from rakuten.errors import MissingExtraError
    from rakuten.logs import adopt_libraries
    from rakuten.serving.memory import share_arena
    from rakuten.serving.settings import load_serving_settings

    share_arena()  # imports may start threads
    current = project(context)
    settings = current.settings
    adopt_libraries()
    serving = load_serving_settings(host=host, port=port, keyless=dev or None)
    try:
        import uvicorn

        from rakuten.serving.app import create_app
    except ModuleNotFoundError as error:
        package = error.name or "fastapi"
        raise MissingExtraError(package, "serve", "The prediction service") from error
    app = create_app(settings, serving, current.root)
    uvicorn.run(
        app,
        host=serving.host,
        port=serving.port,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=30,
        server_header=False,
        proxy_headers=False,
    )


def classify(
    context: typer.Context,
    designation: Annotated[str, typer.Argument(help="Title of the listing.")] = "",
    description: Annotated[str, typer.Option(help="Its description.")] = "",
    image: Annotated[Path | None, typer.Option(help="File of its photo.")] = None,
    url: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None, typer.Option(envvar="RAKUTEN_API_KEY", help="Key with the scope predict.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer.")] = False,
) -> None:
    """Ask a running service for the product type of one listing."""
    from rakuten.cli import render
    from rakuten.client import Client
    from rakuten.imaging import read_image

    project(context).settings  # noqa: B018 - reads .env, where the key may be
    photo = read_image(image) if image else None
    with Client(url, api_key=api_key) as client:
        found = client.predict(designation, description, photo)
    if as_json:
        typer.echo(found.model_dump_json(indent=2, exclude_none=True))
        return
    console = render.out()
    console.print(
        f"{found.prdtypecode} {found.label}: {found.confidence:.1%}, {found.decision}", markup=False
    )
    for other in found.alternatives:
        console.print(f"  {other.prdtypecode} {other.label}: {other.probability:.1%}", markup=False)


@keys.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="predict, review or admin; may be repeated [predict].")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires [never].")] = None,
) -> None:
    """Make a key and show it once; the database keeps its hash."""
    from rakuten.cli import render
    from rakuten.store.keys import create_key

    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    key_id, secret = create_key(
        _database(project(context)), name, scope or ["predict"], expires_at=expires_at
    )
    typer.echo(secret)
    render.note(f"key {key_id}; it is not shown again")


@keys.command("list")
def list_all(context: typer.Context) -> None:
    """Show every key: name, scopes, since when, until when."""
    from rakuten.cli import render
    from rakuten.store.keys import list_keys

    rows = [
        (
            key.key_id,
            key.name,
            " ".join(key.scopes),
            *(_day(moment) for moment in (key.created_at, key.expires_at, key.revoked_at)),
        )
        for key in list_keys(_database(project(context)))
    ]
    columns = ("key", "name", "scopes", "created", "expires", "revoked")
    render.out().print(render.table("API keys", columns, rows))


@keys.command("revoke")
def revoke(
    context: typer.Context, key_id: Annotated[str, typer.Argument(help="Id of the key.")]
) -> None:
    """Make a key invalid, within half a minute in every running service."""
    from rakuten.cli import render
    from rakuten.errors import ConfigurationError
    from rakuten.store.keys import revoke_key

    if not revoke_key(_database(project(context)), key_id):
        raise ConfigurationError(f"There is no valid key {key_id}.", hint="rakuten keys list")
    render.out().print(f"{key_id} is revoked")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(serve)
    app.command()(classify)
    app.add_typer(keys, name="keys")


def _database(current: Project) -> "Database":
    from rakuten.store.database import Database

    database = Database(current.settings.store_url(current.root))
    database.migrate()
    return database


def _day(moment: Any) -> str | None:
    return moment.strftime("%Y-%m-%d") if moment else None
