"""A project that flows run on: a trained model, and quick stages under real DVC."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from rakuten.settings import ProjectPaths, Settings
from rakuten.store.database import Database
from rakuten.store.flow_runs import FlowRun, read_flow_runs
from tests.conftest import REPOSITORY

_SECONDS: Final = 150

LOG_RUN: Final = """
from pathlib import Path
from rakuten.io import read_json
from rakuten.logs import configure_logs
from rakuten.models.model_directory import model_sha256, read_manifest
from rakuten.params import load_params
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.track import track_training
from rakuten.stages.train import METRICS, TrainOutcome
configure_logs()
paths = ProjectPaths(Path())
split = read_manifest(paths.model)["split"]["fingerprint"]
outcome = TrainOutcome(
    read_json(paths.reports / METRICS), model_sha256(paths.model), split, paths.model
)
logged = track_training(outcome, paths, load_params(paths.params), load_settings(), seconds=1.0)
print("logged as", logged.run_id)
Path("train.txt").write_text("trained")
"""
"""What the stage train does after training: it logs the run of the model that is there."""


@dataclass(frozen=True)
class FlowProject:
    """The project, and the environment that its commands run in."""

    paths: ProjectPaths
    environment: Mapping[str, str]

    @property
    def runs(self) -> list[str]:
        """What the stage ``first`` wrote down while it ran, oldest first."""
        path = self.paths.root / ".." / "runs"
        return path.read_text().split() if path.exists() else []

    def recorded(self) -> list[FlowRun]:
        """Runs as the project's store has them, newest first."""
        database = Database(Settings().store_url(self.paths.root))
        try:
            return read_flow_runs(database, 9)
        finally:
            database.close()

    def begin(self, *arguments: str, by: Sequence[str] = ()) -> "Running":
        """Start ``rakuten flow …``, by another command where there is one."""
        command = [sys.executable, "-m", "rakuten.cli", "--root", str(self.paths.root), "flow"]
        process = subprocess.Popen(
            [*by, *command, *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.paths.root.parent,
        )
        return Running(process)

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run ``rakuten flow …`` to its end and return what it printed."""
        return self.begin(*arguments).end(code)

    def let_go(self) -> None:
        """Let a stage that waits for it go on."""
        (self.paths.root.parent / "go").touch()

    def set_floor(self, value: float) -> None:
        """Ask so much of each model: the gate's floor of the weighted F1."""
        params = yaml.safe_load(self.paths.params.read_text())
        params["gate"]["floors"] = {"weighted_f1": value, "macro_f1": 0.0}
        self.paths.params.unlink()  # it is a link to that of other projects
        self.paths.params.write_text(yaml.safe_dump(params))


@dataclass
class Running:
    """A command under way; what it prints is read when it has ended."""

    process: "subprocess.Popen[str]"
    printed: str = field(default="")

    def end(self, code: int | None = 0) -> str:
        """Wait for the end; ``code`` is the exit code that it must have, None for any."""
        self.printed = self.process.communicate(timeout=_SECONDS)[0]
        assert code is None or self.process.returncode == code, self.printed
        return self.printed


def make_flow_project(
    paths: ProjectPaths, first: str, environment: Mapping[str, str]
) -> FlowProject:
    """Give a trained project two stages: ``first`` runs a shell command, ``train`` logs a run.

    Args:
        paths: a copy of the trained project that may be written to.
        first: writes ``first.txt``, and to ``../runs`` what a test wants to count.
        environment: variables for the project's commands.
    """
    root = paths.root
    init = [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"]
    subprocess.run(init, cwd=root, check=True)
    (root / "first.sh").write_text(first)
    (root / "log_run.py").write_text(LOG_RUN)
    stages: dict[str, Any] = {
        "first": {"cmd": "sh first.sh", "deps": ["first.sh"], "outs": ["first.txt"]},
        "train": {"cmd": "python log_run.py", "deps": ["first.txt"], "outs": ["train.txt"]},
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    variables = {"PYTHONPATH": str(REPOSITORY / "src"), "RAKUTEN_THREADS": "2", **environment}
    project = FlowProject(paths, variables)
    project.set_floor(0.0)
    return project


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """What ``condition`` returns once that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"after {seconds:g} s still not: {what}")
