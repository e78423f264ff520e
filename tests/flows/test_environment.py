"""Prefect's settings that nobody chose: quiet, and below the project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rakuten.errors import StorageError
from rakuten.flows.environment import prepare_prefect

_SHOW = """
import os, sys
from pathlib import Path
from rakuten.flows.environment import prepare_prefect
prepare_prefect(Path(sys.argv[1]))
from prefect.settings import PREFECT_HOME, PREFECT_SERVER_ANALYTICS_ENABLED
print(PREFECT_HOME.value(), PREFECT_SERVER_ANALYTICS_ENABLED.value(), os.environ["DO_NOT_TRACK"])
"""


def shown(root: Path, **variables: str) -> list[str]:
    """Home, whether the server reports home, and DO_NOT_TRACK, as Prefect takes them."""
    environment = {k: v for k, v in os.environ.items() if k != "DO_NOT_TRACK"}
    done = subprocess.run(
        [sys.executable, "-c", _SHOW, str(root)],
        env={**environment, "HOME": str(root / "user"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not (root / "user").exists()
    return done.stdout.split()


def test_prefect_keeps_to_the_project_and_to_itself(tmp_path: Path) -> None:
    home = str(tmp_path / ".rakuten" / "prefect")
    assert shown(tmp_path) == [home, "False", "1"]
    assert Path(home).is_dir()


def test_what_the_environment_says_goes_before(tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    said = {"PREFECT_HOME": elsewhere, "PREFECT_SERVER_ANALYTICS_ENABLED": "true"}
    assert shown(tmp_path, **said, DO_NOT_TRACK="0") == [elsewhere, "True", "0"]
    assert not (tmp_path / ".rakuten").exists()


def test_a_home_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".rakuten").write_text("a file")
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    with pytest.raises(StorageError, match="prefect"):
        prepare_prefect(tmp_path)
