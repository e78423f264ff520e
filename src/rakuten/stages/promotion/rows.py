"""Held-out rows of a version's split: those of the working tree, or DVC's copy of older ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from rakuten.errors import ContractError, MissingExtraError
from rakuten.io import read_json
from rakuten.logs import get_logger
from rakuten.settings import ProjectPaths
from rakuten.stages.held_out import held_out_fingerprint, read_held_out
from rakuten.stages.train import HELD_OUT
from rakuten.tracking.mlflow_store import MlflowStore
from rakuten.tracking.registry import Version
from rakuten.tracking.runs import OUTPUTS

if TYPE_CHECKING:
    import pandas as pd

log = get_logger(__name__)


def version_rows(
    paths: ProjectPaths, version: Version, store: MlflowStore, scratch: Path
) -> "pd.DataFrame":
    """Held-out rows of a version, by the fingerprint of its split.

    They are in ``data/processed`` unless another split was trained since; then its run says
    under which hash DVC keeps them, here or in the remote.

    Raises:
        ContractError: they are nowhere, or their photos are not those of the catalogue.
        TrackingError: the tracking server did not answer.
    """
    local = paths.processed / HELD_OUT
    if not local.is_file() or held_out_fingerprint(local) != version.split_fingerprint:
        local = _kept_rows(paths, version, store, scratch)
    return read_held_out(paths, version.split_fingerprint, source=local)


def _kept_rows(paths: ProjectPaths, version: Version, store: MlflowStore, scratch: Path) -> Path:
    outputs = store.fetch_if_any(version.run_id, OUTPUTS, scratch / "rows")
    name = (paths.processed / HELD_OUT).relative_to(paths.root).as_posix()
    digest = read_json(outputs).get("train", {}).get(name) if outputs else None
    kept = _from_dvc(paths.root, digest) if digest else None
    if kept is None:
        raise ContractError(
            f"The held-out rows of {version} (split {version.split_fingerprint[:8]}) are neither "
            f"in {paths.processed} nor known to DVC.",
            hint="check out the data of its run (dvc checkout, dvc pull), or train and register "
            "again",
        )
    return kept


def _from_dvc(root: Path, digest: str) -> Path | None:
    """A file of DVC's cache by its hash, pulled from the default remote if need be."""
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
        from dvc_data.hashfile.hash_info import HashInfo
    except ModuleNotFoundError as error:
        raise MissingExtraError("dvc", "pipeline", "Finding held-out rows of older runs") from error
    try:
        with Repo(str(root)) as repo:
            cache = repo.cache.local
            if not cache.exists(digest):
                repo.cloud.pull([HashInfo("md5", digest)])
            return Path(cache.oid_to_path(digest)) if cache.exists(digest) else None
    except (DvcException, OSError) as error:
        log.warning("DVC has no held-out rows %s: %s", digest, error)
        return None
