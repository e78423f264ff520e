"""Run another program with the variables of ``.env``: dvc, mlflow, aws."""

import os
from typing import Annotated

import typer

from rakuten.cli.context import project


def execute(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(help="Program and its arguments.")],
) -> None:
    """Run a program with the settings of .env, for example: rakuten exec dvc push."""
    from rakuten.errors import ConfigurationError
    from rakuten.settings import load_env_file

    load_env_file(project(context).root)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the user's own command, without a shell
    except OSError as error:
        raise ConfigurationError(
            f"Cannot run {command[0]}: {error.strerror}.", hint="check its name and the PATH"
        ) from error


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command("exec", context_settings=settings)(execute)
