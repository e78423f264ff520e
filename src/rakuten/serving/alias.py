"""Which version is champion, asked without MLflow: its REST API, or its SQLite file."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

from rakuten.errors import StoreAwayError, TrackingError
from rakuten.serving.child import Child
from rakuten.serving.model_info import ModelInfo
from rakuten.serving.rest import RestClient
from rakuten.settings import Settings
from rakuten.tracking.registry import CHAMPION

_PLUGINS: Final = ("MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH", "MLFLOW_WORKSPACE")
"""Ways in that only MLflow itself knows."""
_BUSY_SECONDS: Final = 5.0
_CHILD_SECONDS: Final = 60.0


class AliasSource(Protocol):
    """Where the alias is looked up; every look-up has three outcomes."""

    least_seconds: float
    """A look-up costs so much that it is not done more often than this."""

    def champion(self) -> ModelInfo | None:
        """The version that is champion; None where the registry surely has none.

        Raises:
            TrackingError: the registry did not give an answer; it never means "none".
        """
        ...


def make_source(settings: Settings, root: Path, child: Child) -> AliasSource:
    """The lightest way to ask the registry that the settings name."""
    uri, name = settings.tracking_uri(root), settings.mlflow_model_name
    if uri.startswith(("http://", "https://")) and not any(map(os.environ.get, _PLUGINS)):
        return RestSource(uri, name)
    if uri.startswith("sqlite:///") and "?" not in uri:
        return SqliteSource(Path(uri.removeprefix("sqlite:///")), name)
    return ChildSource(child, name)


class RestSource:
    """A tracking server, by its REST API."""

    least_seconds = 0.0

    def __init__(self, uri: str, name: str) -> None:
        self._client, self._name = RestClient(uri), name

    def champion(self) -> ModelInfo | None:
        """See :class:`AliasSource`."""
        try:
            return self._champion()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._strange(f"{error!r}") from error

    def _champion(self) -> ModelInfo | None:
        # By searching: "not found" of a getter may come from any proxy.
        found = self._client.get(
            "registered-models/search", filter=f"name = '{self._name}'", max_results="1"
        )
        if not found.get("registered_models"):
            # An empty answer passes for an empty list. A server that knows its experiments is
            # there and has looked.
            known = self._client.get("experiments/search", max_results="1")
            if not known["experiments"][0]["experiment_id"]:
                raise self._strange("it knows no experiments")
            return None
        model = found["registered_models"][0]
        self._require_name(model)
        aliases = {entry["alias"]: int(entry["version"]) for entry in model.get("aliases", [])}
        if CHAMPION not in aliases:
            return None
        number = aliases[CHAMPION]
        version = self._client.get("model-versions/get", name=self._name, version=str(number))[
            "model_version"
        ]
        self._require_name(version)
        if int(version["version"]) != number:
            raise self._strange("it gives another version than it was asked for")
        return ModelInfo.of(
            self._name,
            number,
            run_id=version.get("run_id"),
            created_ms=int(version["creation_timestamp"]),
            aliases=aliases,
            tags={tag["key"]: tag.get("value", "") for tag in version.get("tags", [])},
        )

    def _require_name(self, entry: Mapping[str, Any]) -> None:
        if entry["name"] != self._name:
            raise self._strange("it gives another model than it was asked for")

    def _strange(self, detail: str) -> TrackingError:
        return TrackingError(
            f"The model registry {self._client.shown} gives a strange answer: {detail}.",
            hint="check what answers at MLFLOW_TRACKING_URI; rakuten doctor helps",
        )


class SqliteSource:
    """The embedded default: MLflow's tables, read in one transaction."""

    least_seconds = 0.0

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name

    def champion(self) -> ModelInfo | None:
        """See :class:`AliasSource`."""
        # Not mode=ro: that could not roll back what a killed writer left half-written, and
        # would fail until somebody else does. Neither creates a file that is not there.
        uri = f"{self._path.resolve().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA query_only = ON")
                connection.execute("BEGIN")
                return self._champion(connection)
        except sqlite3.Error as error:
            raise StoreAwayError(
                f"The model registry in {self._path} cannot be read: {error}.",
                hint="rakuten doctor checks it; MLFLOW_TRACKING_URI names another one",
            ) from error

    def _champion(self, connection: sqlite3.Connection) -> ModelInfo | None:
        aliases = dict(
            connection.execute(
                "SELECT alias, version FROM registered_model_aliases "
                "WHERE workspace = 'default' AND name = ?",
                (self._name,),
            ).fetchall()
        )
        if CHAMPION not in aliases:
            return None
        key = (self._name, aliases[CHAMPION])
        version = connection.execute(
            "SELECT run_id, creation_time FROM model_versions "
            "WHERE workspace = 'default' AND name = ? AND version = ?",
            key,
        ).fetchone()
        if version is None:
            raise TrackingError(
                f"The registry {self._path} points to version {key[1]}, which it lacks.",
                hint="rakuten models shows what is there; rakuten promote moves the alias",
            )
        tags = connection.execute(
            "SELECT key, value FROM model_version_tags "
            "WHERE workspace = 'default' AND name = ? AND version = ?",
            key,
        ).fetchall()
        return ModelInfo.of(
            self._name,
            key[1],
            run_id=version[0],
            created_ms=version[1] or 0,
            aliases=aliases,
            tags={name: value or "" for name, value in tags},
        )


class ChildSource:
    """Every other store, asked by MLflow in a process of its own: seconds of work each time."""

    least_seconds = 60.0

    def __init__(self, child: Child, name: str) -> None:
        self._child, self._name = child, name

    def champion(self) -> ModelInfo | None:
        """See :class:`AliasSource`."""
        answer = self._child.run("look-up", self._name, seconds=_CHILD_SECONDS)
        return None if answer is None else ModelInfo.from_dict(answer)
