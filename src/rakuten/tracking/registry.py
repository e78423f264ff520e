"""Versions of the model in MLflow's registry and the aliases that say which one is live."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from rakuten.errors import ContractError, ModelError, TrackingError
from rakuten.models.model_directory import model_sha256
from rakuten.tracking.connection import Connection
from rakuten.tracking.mlflow_store import COMPLETE_TAG, MODEL_TAG

CHAMPION: Final = "champion"
"""The version that serving answers with."""
CHALLENGER: Final = "challenger"
"""The version that was registered last and waits for the gate."""
PREVIOUS: Final = "previous"
"""The version that a rollback returns to."""

SPLIT_TAG: Final = "split_fingerprint"
_LINEAGE: Final = re.compile(
    rf"git_\w+|input_sha256\..+|{MODEL_TAG}|{SPLIT_TAG}|dvc_lock_sha256|predictions_sha256"
)
SCORES: Final = "held_out."


@dataclass(frozen=True)
class Version:
    """A registered version; ``tags`` hold its lineage, its scores and every move of an alias."""

    number: int
    run_id: str
    registered: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def model_sha256(self) -> str:
        """Identity of the model."""
        return self.tags.get(MODEL_TAG, "")

    @property
    def split_fingerprint(self) -> str:
        """Which rows were held out from it."""
        return self.tags.get(SPLIT_TAG, "")

    def score(self, name: str) -> float | None:
        """A score of its held-out rows, as its training run recorded it."""
        value = self.tags.get(f"{SCORES}{name}")
        return float(value) if value is not None else None

    def scores(self) -> dict[str, float]:
        """All scores of its held-out rows, by name."""
        names = sorted(name for name in self.tags if name.startswith(SCORES))
        return {name.removeprefix(SCORES): float(self.tags[name]) for name in names}

    def __str__(self) -> str:
        return f"version {self.number}"


class Registry:
    """The versions of one registered model.

    Every lookup has three outcomes: what was looked for, None where the registry says that
    there is none, and TrackingError where it did not give an answer. Nobody may take the third
    for the second.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self.name = name
        self.connection = connection
        self._client = connection.client

    def versions(self) -> list[Version]:
        """All versions, newest first; none where no model was registered yet.

        Raises:
            TrackingError: the registry did not answer.
        """
        with self.connection.boundary("The model registry"):
            aliases = self._aliases()
            if aliases is None:
                return []
            found: list[Any] = []
            token = None
            while True:
                page = self._client.search_model_versions(
                    f"name = '{self.name}'", max_results=200, page_token=token
                )
                found += page
                token = page.token
                if not token:
                    break
        versions = [_version(entry, aliases) for entry in found]
        return sorted(versions, key=lambda version: version.number, reverse=True)

    def version(self, number: int) -> Version | None:
        """One version.

        Raises:
            TrackingError: the registry did not answer.
        """
        return next((found for found in self.versions() if found.number == number), None)

    def by_alias(self, alias: str) -> Version | None:
        """The version that an alias points to.

        Raises:
            TrackingError: the registry did not answer, or points to a version that it lacks.
        """
        with self.connection.boundary("The model registry"):
            aliases = self._aliases() or {}
            if alias not in aliases:
                return None
            # What is asked for by number and is not there is an error, never "absent".
            return _version(self._client.get_model_version(self.name, aliases[alias]), aliases)

    def register(self, run_id: str, *, by: str) -> Version:
        """Make a version of a finished run, with its lineage and scores; never twice.

        Args:
            run_id: the run.
            by: who registers it, for the record.

        Raises:
            ContractError: the run is not finished, or holds no model.
            TrackingError: the registry did not answer or refused.
        """
        known = [version for version in self.versions() if version.run_id == run_id]
        if known:
            return known[-1]
        with self.connection.boundary("The model registry"):
            run = self._client.get_run(run_id)
            outputs = run.outputs.model_outputs if run.outputs else []
            complete = run.data.tags.get(COMPLETE_TAG) == "true" and run.info.status == "FINISHED"
            if not complete or not outputs:
                raise ContractError(
                    f"Run {run_id} is not a finished training run with a model.",
                    hint="rakuten runs list shows runs; rakuten runs resume logs waiting ones",
                )
            if self._aliases() is None:
                self._create_model(self.name, {})
            scores = {
                name: f"{value:.6f}"
                for name, value in run.data.metrics.items()
                if name.startswith(SCORES)
            }
            lineage = {n: v for n, v in run.data.tags.items() if _LINEAGE.fullmatch(n)}
            made = self._client.create_model_version(
                self.name,
                source=f"models:/{outputs[-1].model_id}",
                run_id=run_id,
                tags={**lineage, **scores, "run_name": run.info.run_name, "registered_by": by},
                model_id=outputs[-1].model_id,
            )
        return self._first_of(run_id, _version(made, {}))

    def download(self, version: Version, folder: Path) -> Path:
        """Fetch the model of a version, without the code beside it; return its directory.

        Raises:
            TrackingError: the artifact store did not answer or lacks a file.
            ModelError: what was fetched is not the model that was registered.
        """
        saved = self._fetch(version, "MLmodel", folder)
        try:
            # Read as the YAML it is: mlflow.models needs pandas, and serving has none.
            content = yaml.safe_load(saved.read_text(encoding="utf-8"))
            data = str(content["flavors"]["python_function"]["data"])
        except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
            raise _not_registered(version, f"its MLmodel cannot be read ({error!r})") from error
        if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", data):
            raise _not_registered(version, f"its data lie in {data!r}")
        directory = self._fetch(version, data, folder)
        if model_sha256(directory) != version.model_sha256:
            raise _not_registered(version, "its manifest has another hash")
        return directory

    def point(self, alias: str, version: Version | None) -> None:
        """Set an alias, or remove it.

        Raises:
            TrackingError: the registry did not answer or refused.
        """
        with self.connection.boundary("The model registry"):
            if version is None:
                self._client.delete_registered_model_alias(self.name, alias)
            else:
                self._client.set_registered_model_alias(self.name, alias, str(version.number))

    def tag(self, versions: Sequence[Version], key: str, value: str) -> None:
        """Write a tag on versions; an empty value removes it.

        Raises:
            TrackingError: the registry did not answer or refused.
        """
        with self.connection.boundary("The model registry"):
            for version in versions:
                number = str(version.number)
                if value:
                    self._client.set_model_version_tag(self.name, number, key, value)
                else:
                    self._client.delete_model_version_tag(self.name, number, key)

    def create_unique(self, name: str, tags: Mapping[str, str]) -> bool:
        """Create a registered model unless there is one of that name; whether it was created.

        Raises:
            TrackingError: the registry did not answer.
        """
        with self.connection.boundary("The model registry"):
            return self._create_model(name, tags)

    def read_unique(self, name: str) -> Mapping[str, str] | None:
        """Tags of a registered model, or None where there is none.

        Raises:
            TrackingError: the registry did not answer.
        """
        with self.connection.boundary("The model registry"):
            found = self._search_model(name)
            return dict(found.tags) if found else None

    def remove_unique(self, name: str) -> None:
        """Delete a registered model.

        Raises:
            TrackingError: the registry did not answer or has none.
        """
        with self.connection.boundary("The model registry"):
            self._client.delete_registered_model(name)

    def _first_of(self, run_id: str, made: Version) -> Version:
        """The lowest version of a run: whoever registers it at the same time withdraws the rest."""
        first = min((v for v in self.versions() if v.run_id == run_id), key=lambda v: v.number)
        if first.number != made.number:
            with self.connection.boundary("The model registry"):
                self._client.delete_model_version(self.name, str(made.number))
        return first

    def _fetch(self, version: Version, name: str, folder: Path) -> Path:
        place = f"models:/{self.name}/{version.number}/{name}"
        download = self.connection.mlflow.artifacts.download_artifacts
        folder.mkdir(parents=True, exist_ok=True)
        with self.connection.boundary("The artifact store of"):
            return Path(download(place, dst_path=str(folder)))

    def _aliases(self) -> dict[str, str] | None:
        """Alias → version number; None where no model has this name."""
        found = self._search_model(self.name)
        return {alias: str(number) for alias, number in found.aliases.items()} if found else None

    def _search_model(self, name: str) -> Any | None:
        """Look a model up by searching: "not found" of a getter may come from any proxy."""
        found = self._client.search_registered_models(f"name = '{name}'")
        if not found:
            # MLflow's client takes an empty answer for an empty list. A server that knows its
            # experiments is there and has looked.
            if not self._client.search_experiments(max_results=1):
                raise TrackingError(
                    "The model registry gives empty answers.",
                    hint="check what answers at MLFLOW_TRACKING_URI; rakuten doctor helps",
                )
            return None
        return found[0]

    def _create_model(self, name: str, tags: Mapping[str, str]) -> bool:
        try:
            self._client.create_registered_model(name, tags=dict(tags))
        except self.connection.mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return False
        return True


def _not_registered(version: Version, reason: str) -> ModelError:
    return ModelError(
        f"The artifact of {version} is not the model that was registered: {reason}.",
        hint="train and register it again",
    )


def _version(entry: Any, aliases: Mapping[str, str]) -> Version:
    number = str(entry.version)
    return Version(
        number=int(number),
        run_id=str(entry.run_id or ""),
        registered=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC),
        tags=dict(entry.tags),
        aliases=tuple(sorted(alias for alias, target in aliases.items() if target == number)),
    )
