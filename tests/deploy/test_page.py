"""The page on the tracking server tells the truth: commands exist, variables are known."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.deploy.test_serve import options

PAGE = (REPOSITORY / "docs/tracking-server.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.splitlines() if line]
ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]+)=(.*)")
COMMANDS = [line for line in LINES if not ASSIGNMENT.match(line)]
SETTINGS = [dict(ASSIGNMENT.findall(block)) for block in BLOCKS if ASSIGNMENT.match(block)]
EXAMPLE = (REPOSITORY / ".env.example").read_text()
KNOWN = set(re.findall(r"^(?:# )?([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))
COMPOSE = ["docker", "compose", "-f", "docker-compose.mlflow.yml"]
SUBCOMMANDS = {"build", "down", "exec", "logs", "ps", "run", "stop"}
"""Of Docker Compose; there is no engine to ask."""


def _compose_commands() -> list[list[str]]:
    """What follows the file's name in each call of compose, without redirections."""
    calls = [shlex.split(re.sub(r" [<>] \S+$", "", line)) for line in COMMANDS]
    return [call[len(COMPOSE) :] for call in calls if call[:2] == COMPOSE[:2]]


def test_every_command_is_of_a_known_kind() -> None:
    kinds = {line.split()[0] for line in COMMANDS}
    assert kinds == {"cp", "docker", "make", "python3", "rakuten"}
    assert all(line.startswith(shlex.join(COMPOSE)) for line in COMMANDS if "docker" in line)
    assert (REPOSITORY / COMPOSE[-1]).is_file()


def test_compose_is_asked_for_what_it_has() -> None:
    services = set(yaml.safe_load((REPOSITORY / COMPOSE[-1]).read_text())["services"])
    asked = 0
    for words in _compose_commands():
        plain = [word for word in words if not word.startswith("-")]
        subcommand = next(word for word in plain if word in SUBCOMMANDS)
        rest = plain[plain.index(subcommand) + 1 :]
        assert subcommand in SUBCOMMANDS
        if subcommand in ("exec", "run", "stop", "build"):
            assert rest[0] in services
            asked += 1
    assert asked >= 6


def test_every_variable_named_is_in_the_example() -> None:
    named = set(re.findall(r"\b((?:MLFLOW|AWS|COMPOSE|RAKUTEN)_[A-Z0-9_]+)\b", PAGE))
    assert len(named) > 10
    assert named - KNOWN == set()


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("python3")])
def test_commands_that_make_secrets_make_a_line_for_env(command: str) -> None:
    made = command.removesuffix(" >> .env")
    assert made != command
    words = [sys.executable, *shlex.split(made)[1:]]
    first, second = (
        subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    match = ASSIGNMENT.fullmatch(first.strip())
    assert match
    assert match.group(1) in KNOWN
    assert re.fullmatch(r"[\w-]{20,}", match.group(2))
    assert first != second


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: next(iter(settings)))
def test_every_block_of_settings_makes_a_server(settings: dict[str, str]) -> None:
    direct = settings.get("MLFLOW_SERVE_ARTIFACTS") == "false"
    option = "--default-artifact-root" if direct else "--artifacts-destination"
    found = options(**settings)
    if "MLFLOW_ARTIFACTS_DESTINATION" in settings:
        assert found[option] == settings["MLFLOW_ARTIFACTS_DESTINATION"]
    if "MLFLOW_SERVER_ALLOWED_HOSTS" in settings:
        assert found["--allowed-hosts"] == settings["MLFLOW_SERVER_ALLOWED_HOSTS"]


def test_mlflow_has_the_commands_that_are_shown() -> None:
    shown = [words[words.index("mlflow", 3) :] for words in _compose_commands() if "db" in words]
    assert shown == [["mlflow", "db", "upgrade", options()["--backend-store-uri"]]]
    command = [sys.executable, "-m", *shown[0][:3], "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0
    assert "URL" in done.stdout


def test_messages_that_are_explained_are_those_of_the_server() -> None:
    from mlflow.server.security_utils import CORS_BLOCKED_MSG, INVALID_HOST_MSG

    script = (REPOSITORY / "deploy/mlflow/serve.py").read_text()
    for message in re.findall(r"^\| `([^`]+)`", PAGE, re.MULTILINE)[:2]:
        assert message in INVALID_HOST_MSG + CORS_BLOCKED_MSG
    for message in (
        "PostgreSQL refuses: ",
        " refuses: ",
        " does not answer ",
        "artifacts wait for it",
    ):
        assert message in script
        assert message.strip() in PAGE
