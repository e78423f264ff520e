"""Which model it is: what the registry knows of a version, kept with every answer it gives."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from rakuten.tracking.mlflow_store import MODEL_TAG
from rakuten.tracking.registry import SCORES

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelInfo:
    """A registered version; ``sha256`` is the hash of its manifest, "" where it has no such tag."""

    name: str
    version: int
    sha256: str
    run_id: str
    registered: datetime
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        version: int,
        *,
        run_id: str | None,
        created_ms: int,
        aliases: Mapping[str, int],
        tags: Mapping[str, str],
    ) -> Self:
        """A version from what a registry says, whatever way it was asked.

        Args:
            name: of the registered model.
            version: its number.
            run_id: the training run.
            created_ms: milliseconds since 1970.
            aliases: alias → version number, of the whole model.
            tags: of the version.
        """
        sha256 = tags.get(MODEL_TAG, "")
        return cls(
            name=name,
            version=version,
            sha256=sha256 if is_sha256(sha256) else "",
            run_id=run_id or "",
            registered=datetime.fromtimestamp(created_ms / 1000, UTC),
            aliases=tuple(sorted(alias for alias, number in aliases.items() if number == version)),
            tags=dict(tags),
        )

    @property
    def scores(self) -> dict[str, float]:
        """Scores of its held-out rows, as its training run recorded them."""
        found = {}
        for name, value in self.tags.items():
            if name.startswith(SCORES):
                with suppress(ValueError):  # anybody may write a tag
                    found[name.removeprefix(SCORES)] = float(value)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "run_id": self.run_id,
            "registered": self.registered.isoformat(),
            "aliases": list(self.aliases),
            "tags": dict(self.tags),
        }

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Restore what :meth:`to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            found = cls(
                name=str(values["name"]),
                version=int(values["version"]),
                sha256=str(values["sha256"]),
                run_id=str(values["run_id"]),
                registered=datetime.fromisoformat(values["registered"]),
                aliases=tuple(str(alias) for alias in values["aliases"]),
                tags={str(name): str(value) for name, value in values["tags"].items()},
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"no version of a model: {error!r}") from error
        if found.sha256 and not is_sha256(found.sha256):
            raise ValueError(f"no hash of a model: {found.sha256!r}")
        return found

    def __str__(self) -> str:
        return f"version {self.version} ({self.sha256[:8] or 'no hash'})"


def is_sha256(text: str) -> bool:
    """Whether a text is a hexadecimal SHA-256, and so may name a folder."""
    return _SHA256.fullmatch(text) is not None
