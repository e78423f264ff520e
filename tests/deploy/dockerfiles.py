"""Stages of a Dockerfile, and what .dockerignore lets through."""

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path


@dataclass
class Stage:
    """One stage: what it starts from, and its instructions with their words."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """What follows each instruction of a kind."""
        return [rest for name, rest in self.instructions if name == word]


def read_stages(path: Path) -> dict[str, Stage]:
    """Stages by name; continued lines are joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: dict[str, Stage] = {}
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = Stage(name, base)
        else:
            list(stages.values())[-1].instructions.append((word, rest.strip()))
    return stages


def lineage(stages: dict[str, Stage], name: str) -> list[Stage]:
    """A stage and those that it starts from, the first one first."""
    stage = stages[name]
    return [*(lineage(stages, stage.base) if stage.base in stages else []), stage]


def is_let_through(path: str, rules: list[str]) -> bool:
    """Whether a file reaches the build: the last rule that fits it, or a folder of it, counts."""
    parents = [path, *map(str, Path(path).parents)]
    ignored = False
    for rule in rules:
        pattern = rule.lstrip("!").removeprefix("**/")
        anywhere = "**/" in rule
        names = [Path(one).name for one in parents] if anywhere else parents
        if any(fnmatch(one, pattern) for one in names):
            ignored = not rule.startswith("!")
    return not ignored
