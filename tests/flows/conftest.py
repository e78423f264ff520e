"""A small project under real DVC, whose stages are shell commands."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

MakePipeline = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def make_pipeline(tmp_path: Path) -> MakePipeline:
    """Make a DVC project whose stages, in order, run a command and depend on the one before.

    Each stage has the output ``NAME.txt``, which its command has to write.
    """

    def make(commands: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        root.mkdir()
        subprocess.run(
            [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=root, check=True
        )
        (root / "input.txt").write_text("input")
        stages, before = {}, "input.txt"
        for name, command in commands.items():
            stages[name] = {"cmd": command, "deps": [before], "outs": [f"{name}.txt"]}
            before = f"{name}.txt"
        (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
        return root

    return make
