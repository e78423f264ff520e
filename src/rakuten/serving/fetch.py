"""The one part of serving that imports MLflow, run as ``python -m rakuten.serving.fetch``.

It answers one JSON object on standard output: ``state`` is done (with ``value``), refused (the
model is not what was registered), away (an outage) or failed.
"""

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rakuten.errors import ModelError, RakutenError, StorageError, StoreAwayError, TrackingError
from rakuten.logs import configure_logs
from rakuten.serving.model_cache import ModelCache
from rakuten.serving.model_info import ModelInfo
from rakuten.settings import load_settings
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import CHAMPION, Registry, Version

_NICE = 10


def look_up(root: Path, name: str) -> dict[str, Any] | None:
    """The champion of a registered model as JSON values, None where there surely is none.

    Raises:
        TrackingError: the registry did not answer.
    """
    found = _registry(root, name).by_alias(CHAMPION)
    return None if found is None else _info(name, found).to_dict()


def download(root: Path, name: str, number: int, sha256: str, folder: Path) -> None:
    """Bring a version into the cache, verified.

    Args:
        root: the project, where the embedded registry lies.
        name: of the registered model.
        number: the version's.
        sha256: the model that it has to be.
        folder: the cache of all models.

    Raises:
        ModelError: what the store holds is not that model, whole.
        TrackingError: registry or artifact store did not answer.
        StorageError: the disk refused.
    """

    def bring(staged: Path) -> Path:
        registry = _registry(root, name)
        version = registry.version(number)
        if version is None or version.model_sha256 != sha256:
            raise TrackingError(f"Version {number} of {name} is no longer the model {sha256[:8]}….")
        return registry.download(version, staged)

    ModelCache(folder, name).fill(sha256, bring)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says and write the answer."""
    chosen = _parser().parse_args(arguments)
    # Whatever a library prints belongs to the log; standard output holds the answer alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if chosen.follow:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICE)  # answering comes first
    configure_logs()
    with answers:
        json.dump(_outcome(chosen), answers)


def _outcome(chosen: argparse.Namespace) -> dict[str, Any]:
    try:
        if chosen.command == "look-up":
            return {"state": "done", "value": look_up(chosen.root, chosen.name)}
        download(chosen.root, chosen.name, chosen.version, chosen.sha256, chosen.folder)
    except RakutenError as error:
        state = "failed"
        if isinstance(error, ModelError):
            state = "refused"
        elif isinstance(error, StoreAwayError | StorageError):
            state = "away"
        return {"state": state, "message": error.message, "hint": error.hint}
    return {"state": "done", "value": None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rakuten.serving.fetch")
    parser.add_argument("--follow", action="store_true", help="end when standard input does")
    parser.add_argument("--root", type=Path, default=Path(), help="project folder")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("look-up", "download"):
        command = commands.add_parser(name)
        command.add_argument("name")
    command.add_argument("version", type=int)
    command.add_argument("sha256")
    command.add_argument("folder", type=Path)
    return parser


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not by sys.stdin, whose lock outlives the program
        pass
    os._exit(1)  # whatever is half-fetched is removed by whoever fetches next


def _registry(root: Path, name: str) -> Registry:
    return Registry(Connection(load_settings(), root), name)


def _info(name: str, version: Version) -> ModelInfo:
    return ModelInfo.of(
        name,
        version.number,
        run_id=version.run_id,
        created_ms=int(version.registered.timestamp() * 1000),
        aliases=dict.fromkeys(version.aliases, version.number),
        tags=version.tags,
    )


if __name__ == "__main__":
    main()
