"""The commands as a person or a scheduler uses them: what they print and how they end."""

import json
import os
import re
import shlex

import pytest
from typer.testing import CliRunner, Result

from rakuten.cli.app import app
from rakuten.errors import ConfigurationError, PromotionError
from tests.conftest import REPOSITORY
from tests.stages.promotion.conftest import EQUAL, GOOD, WEAK, Place

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture
def rakuten(place: Place, monkeypatch: pytest.MonkeyPatch) -> "Command":
    """Run a command in the project."""
    place.paths.params.write_text(json.dumps(place.params.model_dump(mode="json")))
    monkeypatch.chdir(place.paths.root)
    monkeypatch.setenv("RAKUTEN_ACTOR", "on-call")
    return Command()


class Command:
    """The command line in this process."""

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=dict(os.environ))


def test_from_first_version_to_rollback(rakuten: Command) -> None:
    first = rakuten("promote", "--version", str(GOOD))
    assert first.exit_code == 0, first.output
    assert "version 2 is champion now" in first.stdout
    again = rakuten("promote", "--version", str(GOOD))
    assert (again.exit_code, again.stdout.strip()) == (0, "version 2 is the champion already")

    refused = rakuten("promote", "--version", str(WEAK))
    assert refused.exit_code == 3
    assert "FAIL" in refused.stdout
    assert "version 1 is not promoted" in refused.stdout

    tried = rakuten("promote", "--version", str(EQUAL), "--dry-run", "--json")
    assert tried.exit_code == 0
    answer = json.loads(tried.stdout)
    assert answer["state"] == "would_promote"
    assert answer["verdict"]["passed"] is True

    assert rakuten("promote", "--version", str(EQUAL)).exit_code == 0
    back = rakuten("rollback", "--reason", "complaints")
    assert back.stdout.strip() == "version 2 is champion again, version 3 is rolled back"

    table = rakuten("models").stdout
    (live,) = [line for line in table.splitlines() if "champion" in line]
    assert live.split()[0] == "2"
    assert "rolled back" in table
    history = rakuten("models", "--history").stdout
    moves = [line for line in history.splitlines() if "on-call" in line]
    assert ["rollback" in line for line in moves] == [True, False, False]
    assert "complaints" in moves[0]
    found = json.loads(rakuten("models", "--json").stdout)
    assert len(found["versions"]) == 5
    assert found["history"][0]["kind"] == "rollback"


def test_nothing_to_go_back_to_is_an_error(rakuten: Command) -> None:
    assert isinstance(rakuten("rollback").exception, PromotionError)


def test_dry_run_and_force_exclude_each_other(rakuten: Command) -> None:
    assert isinstance(rakuten("promote", "--dry-run", "--force").exception, ConfigurationError)


def test_an_empty_registry_says_what_to_do(rakuten: Command, place: Place) -> None:
    (place.paths.root / "mlflow.db").unlink()
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place.paths.root}/other.db"
    assert "rakuten register" in rakuten("models").stdout


def test_the_commands_of_the_page_work_in_the_order_shown(rakuten: Command, place: Place) -> None:
    """Version 2 is live, version 3 was just trained; the page's version 7 is version 1 here."""
    place.promote(GOOD)
    place.paths.model.parent.mkdir()
    place.paths.model.symlink_to(place.home.paths.model.with_name("equal"))
    page = (REPOSITORY / "docs/promotion.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    live = []
    for line in lines:
        words = shlex.split(line.replace("--version 7", f"--version {WEAK}"), comments=True)
        assert words[0] == "rakuten"
        done = rakuten(*words[1:])
        assert done.exit_code == 0, f"{line}: {done.output} {done.exception}"
        live.append((words[1], place.champion()))
    assert live == [
        ("register", GOOD),
        ("promote", GOOD),
        ("promote", EQUAL),
        ("models", EQUAL),
        ("models", EQUAL),
        ("rollback", GOOD),
        ("promote", GOOD),
        ("promote", WEAK),
    ]
