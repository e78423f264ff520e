"""What every command needs: the project folder, its settings and its parameters."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rakuten.params import Params
    from rakuten.settings import ProjectPaths, Settings
    from rakuten.stages.preflight import Stage


@dataclass
class Project:
    """The project that a command works on; parts are read when they are first asked for."""

    root: Path

    @cached_property
    def paths(self) -> "ProjectPaths":
        """Where things lie."""
        from rakuten.settings import ProjectPaths

        return ProjectPaths(self.root)

    @cached_property
    def settings(self) -> "Settings":
        """Settings from ``.env`` and the environment; also sets up the log."""
        from rakuten.logs import configure_logs
        from rakuten.settings import load_env_file, load_settings

        load_env_file(self.root)
        settings = load_settings()
        configure_logs(level=settings.log_level, json_lines=settings.log_format == "json")
        return settings

    @cached_property
    def params(self) -> "Params":
        """The project's ``params.yaml``."""
        from rakuten.params import load_params

        return load_params(self.paths.params)

    @property
    def cache(self) -> Path | None:
        """Where vectors of photos are kept for the next run, if anywhere."""
        return self.settings.cache_folder(self.root)

    def preflight(
        self, stage: "Stage", *, table: Path | None = None, output: Path | None = None
    ) -> None:
        """Stop here if a stage could not write its results."""
        from rakuten.stages.preflight import before_stage

        encoder = self.params.features if stage in ("features", "train") else None
        before_stage(stage, self.paths, self.settings, features=encoder, table=table, output=output)


def project(context: typer.Context) -> Project:
    """The project of a running command."""
    found: Project = context.find_root().obj
    return found
