"""The folder data/feedback: what DVC says it holds, and an empty one where there is none yet."""

from pathlib import Path
from typing import Any, Final

import yaml

from rakuten import catalog
from rakuten.data.corrections import COLUMNS
from rakuten.errors import ConfigurationError, DataNotFoundError
from rakuten.io import count_rows, write_text
from rakuten.settings import ProjectPaths

STAGE: Final = "feedback"
"""Name of the stage in ``dvc.yaml`` whose output the folder is."""

_HEADER: Final = ",".join(f'"{name}"' for name in COLUMNS) + "\n"


def prepare_feedback(paths: ProjectPaths) -> bool:
    """Write a ``corrections.csv`` without rows where there is none; true where it was written.

    Raises:
        DataNotFoundError: ``dvc.lock`` says that there are corrections, which are not here:
            a model without them must not come about by accident.
        ContractError: the file that is there is not a table.
        StorageError: it cannot be written.
    """
    path = paths.feedback / catalog.CORRECTIONS
    if path.is_file():
        return False
    if _kept_by_dvc(paths.root):
        raise DataNotFoundError(
            f"The corrections of {paths.feedback} are kept by DVC and are not here.",
            hint=f"dvc pull {paths.feedback} brings them; rakuten feedback export writes those "
            "that the store holds now",
        )
    write_text(path, _HEADER)
    return True


def exported_rows(folder: Path) -> int:
    """Rows of the export that is there; none where there is no export."""
    path = folder / catalog.CORRECTIONS
    return count_rows(path) if path.is_file() else 0


def _kept_by_dvc(root: Path) -> bool:
    """Whether ``dvc.lock`` names more than a file with a header."""
    path = root / "dvc.lock"
    if not path.is_file():
        return False
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        outputs = found.get("stages", {}).get(STAGE, {}).get("outs", [])
        return any(int(out.get("size", 0)) > len(_HEADER) for out in outputs)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}.", hint="git checkout -- dvc.lock, or rakuten doctor"
        ) from error
