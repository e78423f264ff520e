"""Commands of the whole stack: stack up, status, check, exec."""

import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rakuten.cli.context import project

if TYPE_CHECKING:
    from rakuten.stack.local import LocalStack
    from rakuten.stack.runner import Runner

app = typer.Typer(help="The whole stack, as processes on this machine.", no_args_is_help=True)

_COLOURS: Final = ("cyan", "green", "yellow", "blue", "magenta", "bright_cyan", "bright_green")

File = Annotated[
    Path | None, typer.Option("--file", help="Compose file [docker-compose.yml of the project].")
]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Where the stack keeps its own [.rakuten/stack].")
]
Profile = Annotated[
    list[str] | None, typer.Option("--profile", help="Profile to start; may be repeated.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Service to start, with what it depends on; may be repeated."),
]


@app.command()
def up(
    context: typer.Context,
    local: Annotated[
        bool, typer.Option("--local", help="As processes here; without it, in containers.")
    ] = False,
    profile: Profile = None,
    only: Only = None,
    port_offset: Annotated[
        int, typer.Option(min=0, max=50_000, help="Add this to every port.")
    ] = 0,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Listen on any ports that are free.")
    ] = False,
    file: File = None,
    folder: Folder = None,
) -> None:
    """Start the stack, show its lines, and end all of it on Ctrl-C or SIGTERM.

    Reads docker-compose.yml. Secrets that .env does not have are made and kept in the folder.
    Exit codes: 0 it was told to end, 1 a service could not be started, 2 something is missing.
    """
    from rakuten.errors import ConfigurationError
    from rakuten.stack.local import Choice, run_stack
    from rakuten.stack.status import running

    if not local:
        raise ConfigurationError(
            "In containers the stack is started by make.",
            hint="make stack-up, or rakuten stack up --local without Docker",
        )
    choice = Choice(tuple(profile or ()), tuple(only or ()), port_offset, free_ports)
    stack = _stack(context, file, folder)
    say = _printer()

    def ready(runner: "Runner") -> None:
        _table([(one.name, one.address, one.state) for one in running(runner)])
        say("", "all services are well; Ctrl-C ends them")

    run_stack(stack, choice, say, ready)


@app.command()
def status(context: typer.Context, file: File = None, folder: Folder = None) -> None:
    """Ask every service of the running stack how it is.

    Exit codes: 0 all are well, 1 one is not, or the stack does not run.
    """
    from rakuten.cli import render
    from rakuten.stack.health import ask
    from rakuten.stack.local import Choice
    from rakuten.stack.status import read_status

    stack = _stack(context, file, folder)
    found = read_status(stack.folder)
    plan = stack.plan(Choice(found.profiles, found.only), found.ports)
    rows = []
    for running in found.services:
        state = running.state if found.is_up else "ended"
        if state in ("well", "unwell", "starting"):
            state = "well" if ask(plan.services[running.name]) else "unwell"
        rows.append((running.name, running.address, state))
    _table(rows)
    if not found.is_up:
        render.note("the stack does not run; rakuten stack up --local starts it")
    if any(state not in ("well",) for _, _, state in rows):
        raise typer.Exit(1)


@app.command()
def check(
    context: typer.Context,
    profile: Profile = None,
    only: Only = None,
    port_offset: Annotated[int, typer.Option(min=0, max=50_000, help="As in stack up.")] = 0,
    file: File = None,
    folder: Folder = None,
) -> None:
    """Say what would be started, and what is missing: programs, values, ports. Starts nothing.

    Exit codes: 0 it can be started, 2 it cannot.
    """
    from rakuten.errors import ConfigurationError
    from rakuten.stack.local import Choice, taken_ports

    choice = Choice(tuple(profile or ()), tuple(only or ()), port_offset)
    plan = _stack(context, file, folder).plan(choice)
    taken = taken_ports(plan)
    rows = [
        (name, service.port, f"port {service.port} is taken" if name in taken else "ok")
        for name, service in plan.services.items()
    ]
    rows += [
        (one.name, None, f"{'left out' if one.optional else 'missing'}: {one.hint}")
        for one in plan.absent
    ]
    _table(rows)
    if taken or any(not one.optional for one in plan.absent):
        raise ConfigurationError("The stack cannot be started here yet.", hint="see the table")


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="Whose variables: api, flows, …")],
    command: Annotated[list[str], typer.Argument(help="Program and its arguments.")],
    file: File = None,
    folder: Folder = None,
) -> None:
    """Run a program with the variables of a service of the running stack.

    For example: rakuten stack exec api rakuten keys create "shop front".
    """
    from rakuten.errors import ConfigurationError
    from rakuten.stack.local import Choice
    from rakuten.stack.status import read_status

    stack = _stack(context, file, folder)
    found = read_status(stack.folder)
    services = stack.plan(Choice(found.profiles, found.only), found.ports).services
    if service not in services:
        raise ConfigurationError(
            f"The running stack has no {service!r}.", hint=f"it has: {', '.join(services)}"
        )
    try:
        os.execvpe(command[0], command, dict(services[service].environment))  # noqa: S606
    except OSError as error:
        raise ConfigurationError(f"Cannot run {command[0]}: {error.strerror}.") from error


def _stack(context: typer.Context, file: Path | None, folder: Path | None) -> "LocalStack":
    from rakuten.stack.local import COMPOSE_FILE, FOLDER, LocalStack

    root = project(context).root
    return LocalStack(file or root / COMPOSE_FILE, root, folder or root / FOLDER)


def _printer() -> Callable[[str, str], None]:
    """Lines with the name of their service before them, in a colour of its own on a terminal."""
    colours: dict[str, str] = {}
    names = itertools.cycle(_COLOURS)
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(name: str, line: str) -> None:
        head = f"{name or 'stack':<13}|"
        if coloured:
            colour = colours.setdefault(name, next(names)) if name else "white"
            head = typer.style(head, fg=colour, bold=not name)
        typer.echo(f"{head} {line}")

    return say


def _table(rows: Sequence[Sequence[Any]]) -> None:
    from rakuten.cli import render

    render.out().print(render.table("", ("service", "listens on", "state"), rows))
