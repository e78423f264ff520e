"""Files of pretrained networks: found at a path or fetched from the hub, and pinned by hash."""

import hashlib
from pathlib import Path

from rakuten.errors import ConfigurationError, DataNotFoundError, MissingExtraError
from rakuten.logs import get_logger
from rakuten.params import OnnxParams

log = get_logger(__name__)


def find_weights(params: OnnxParams, root: Path) -> Path:
    """Path of the network's file: the local one that the parameters name, else the hub's.

    The hub is the public one or ``HF_ENDPOINT``. What was fetched once is taken from the hub
    client's own cache (``HF_HOME``), without a network.

    Args:
        params: names the file; :func:`read_weights` checks its hash.
        root: project folder, from which a relative path is seen.

    Raises:
        ConfigurationError: the repository has no such revision or file.
        DataNotFoundError: the file is not here and cannot be fetched.
        MissingExtraError: huggingface_hub is not installed.
    """
    if params.path:
        path = root / Path(params.path).expanduser()
        if not path.is_file():
            raise DataNotFoundError(
                f"features.onnx.path: there is no file {path}.",
                hint=f"get it on a machine with a network: {_command(params)}",
            )
        return path
    return _fetch(params)


def read_weights(path: Path, sha256: str) -> bytes:
    """Content of a network's file, after a look at its hash.

    Raises:
        ConfigurationError: it has another hash.
        DataNotFoundError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataNotFoundError(f"Cannot read {path}: {error.strerror}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ConfigurationError(
            f"{path.resolve()} has sha256 {found}; features.onnx.sha256 says {sha256}.",
            hint="if that hash is the one you trust, the file was altered or cut short: "
            "delete it and get it again",
        )
    return content


def _fetch(params: OnnxParams) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ModuleNotFoundError as error:
        raise MissingExtraError("huggingface-hub", "deep", "Fetching a network") from error
    where = f"{params.repository} at {params.revision}"
    wanted = {"repo_id": params.repository, "filename": params.file, "revision": params.revision}
    known = huggingface_hub.try_to_load_from_cache(**wanted)
    if isinstance(known, str):  # the download would ask the hub for other things even then
        return Path(known)
    log.info("fetching a network", extra={"repository": params.repository, "file": params.file})
    try:
        path = huggingface_hub.hf_hub_download(**wanted)
    except errors.RevisionNotFoundError as error:
        raise ConfigurationError(
            f"features.onnx.revision: {params.repository} has no commit {params.revision}.",
            hint="the repository's page lists its commits under Files and versions, History",
        ) from error
    except errors.LocalEntryNotFoundError as error:  # before EntryNotFoundError, its base
        raise _unreachable(params, error) from error
    except errors.EntryNotFoundError as error:
        raise ConfigurationError(f"features.onnx.file: {where} has no {params.file}.") from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigurationError(
            f"features.onnx.repository: the hub shows no {params.repository}.",
            hint="check the name; for a gated or private repository log in first: hf auth login",
        ) from error
    except Exception as error:  # the boundary to the hub's network stack, which changes by version
        raise _unreachable(params, error) from error
    return Path(path)


def _unreachable(params: OnnxParams, error: Exception) -> DataNotFoundError:
    cause = error.__cause__ or error
    reason = str(cause).strip().split("\n")[0] or type(cause).__name__
    return DataNotFoundError(
        f"{params.file} of {params.repository} is not on this machine and could not be fetched: "
        f"{reason}",
        hint=f"on a machine with a network: {_command(params)}; copy the file here and set "
        f"features.onnx.path to it",
    )


def _command(params: OnnxParams) -> str:
    revision = params.revision or "REVISION"
    return f"hf download {params.repository} {params.file} --revision {revision} --local-dir FOLDER"
