"""Checks of DVC: its files, its locks, and what git tracks of its outputs."""

import fcntl
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from rakuten.errors import ConfigurationError, MissingExtraError
from rakuten.io import read_json
from rakuten.stages.doctor.check import Check, Subject, git_files

_SECRETS: Final = re.compile(r"^\s*(secret_access_key|session_token|password)\s*=", re.MULTILINE)


def dvc_checks(subject: Subject) -> Iterator[Check]:
    """Look at DVC's files, at what git tracks of its outputs, and at locks."""
    root = subject.paths.root
    if not (root / ".dvc").is_dir():
        yield Check("dvc", "failed", f"{root.resolve()} is no DVC project", "dvc init")
        return
    dvc_config(root)
    stages = (_read_yaml(root / "dvc.yaml") or {}).get("stages")
    if not isinstance(stages, dict):
        raise ConfigurationError(
            f"{root / 'dvc.yaml'} names no stages.", hint="git checkout -- dvc.yaml"
        )
    ran = (_read_yaml(root / "dvc.lock") or {}).get("stages", {})
    yield Check("dvc", "ok", f"{len(stages)} stages in dvc.yaml, {len(ran)} of them have run")
    yield from _in_git(root, stages)
    yield from _locks(root / ".dvc" / "tmp")
    if subject.full:
        yield _stale(root)
    else:
        hint = "rakuten doctor --full hashes the data"
        yield Check("dvc", "skipped", "whether stages are stale was not looked at", hint)


def dvc_config(root: Path) -> Mapping[str, Any]:
    """DVC's configuration of a project, its local part included."""
    try:
        from dvc.config import Config, ConfigError
    except ModuleNotFoundError as error:
        raise MissingExtraError("dvc", "pipeline", "Reading DVC's configuration") from error
    try:
        config: Mapping[str, Any] = Config(dvc_dir=str(root / ".dvc"))
    except ConfigError as error:
        hint = "correct .dvc/config or .dvc/config.local"
        raise ConfigurationError(
            f"DVC's configuration is not usable: {error}.", hint=hint
        ) from error
    return config


def chosen_remotes(root: Path) -> dict[str, Mapping[str, Any]]:
    """DVC's default remote, by its name; where none is the default, all of them."""
    if not (root / ".dvc").is_dir():
        return {}
    config = dvc_config(root)
    chosen = config.get("core", {}).get("remote")
    remotes = config.get("remote", {})
    return {name: remote for name, remote in remotes.items() if name == (chosen or name)}


def _read_yaml(path: Path) -> Any:
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    name = path.name
    if re.search(r"^(<{7}|={7}|>{7})", text, re.MULTILINE):
        raise ConfigurationError(
            f"{path} holds conflict markers of a git merge.",
            hint=f"git checkout --ours {name} (or --theirs), git add {name}, dvc repro",
        )
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        lines = " ".join(str(error).split())
        hint = f"correct it, or git checkout -- {name}"
        raise ConfigurationError(f"{path} is not valid YAML: {lines}.", hint=hint) from error


def _in_git(root: Path, stages: Mapping[str, Any]) -> Iterator[Check]:
    files = [_read_yaml(path) or {} for path in sorted((root / "data").glob("*.dvc"))]
    places = [f"data/{out['path']}" for file in files for out in file.get("outs", [])]
    places += [
        path
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for path in _cached(stage.get(kind, []))
    ]
    tracked = {place for place in places if git_files(root, place)}
    raw = [name for name in git_files(root, "data/raw") if not name.endswith(".gitkeep")]
    tracked |= {"/".join(name.split("/")[:3]) for name in raw}
    if tracked:
        shown = " ".join(sorted(tracked))
        detail = f"in git, but DVC's (output is already tracked by SCM): {shown}"
        yield Check("dvc", "failed", detail, f"git rm -r --cached {shown}")
    shared = root / ".dvc" / "config"
    text = shared.read_text(encoding="utf-8") if shared.is_file() else ""
    for secret in sorted(set(_SECRETS.findall(text))):
        what = secret.replace("secret_access_key", "secret key")
        hint = f"dvc remote modify --unset NAME {secret}, then with --local; change it"
        yield Check("dvc", "failed", f"{shared}, which belongs in git, holds a {what}", hint)


def _cached(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        named = entry if isinstance(entry, dict) else {entry: None}
        for path, options in named.items():
            if (options or {}).get("cache", True):
                yield str(path)


def _locks(folder: Path) -> Iterator[Check]:
    if (folder / "lock").is_file():
        with (folder / "lock").open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                hint = f"wait for it; kill {handle.read().strip()} if it hangs"
                yield Check("dvc", "warning", "a running dvc command holds DVC's lock", hint)
    path = folder / "rwlock"
    if not path.is_file():
        return
    held = read_json(path)
    entries = [*held.get("write", {}).values(), *sum(held.get("read", {}).values(), [])]
    for pid, command in sorted({(entry["pid"], entry["cmd"]) for entry in entries}):
        alive = Path(f"/proc/{pid}").exists()
        hint = "wait for it" if alive else f"rm '{path}'   (if no dvc command runs)"
        state = "holds" if alive else "has gone and left"
        yield Check("dvc", "warning", f"process {pid} ({command}) {state} a lock of DVC", hint)


def _stale(root: Path) -> Check:
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        detail = f"dvc status fails: {done.stderr.strip()[-300:]}"
        return Check("dvc", "failed", detail, "dvc status --verbose says more")
    stale = json.loads(done.stdout or "{}")
    if stale:
        return Check("dvc", "warning", f"stale stages: {', '.join(stale)}", "dvc repro")
    return Check("dvc", "ok", "no stage is stale")
