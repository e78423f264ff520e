"""A healthy project in a git repository, and servers for the doctor to ask."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rakuten.data.sample import make_sample
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.doctor import Check, mlflow_server, remote, run_doctor, s3
from tests.conftest import REPOSITORY

QUICK_SECONDS = 0.5
Respond = Callable[[str], tuple[int, str]]


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "raw"
    make_sample(folder, rows=60)
    return folder


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without its catalogue, in a git repository; copy it, never write to it."""
    root = tmp_path_factory.mktemp("repository") / "project"
    for name in ("params.yaml", "dvc.yaml", ".gitignore", ".dvc/config"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    git(root, "init", "-q", "--template=")
    git(root, "add", ".dvc/config", "dvc.yaml", "params.yaml")
    return root


@pytest.fixture
def paths(
    tmp_path: Path, catalogue: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> ProjectPaths:
    """A project that nothing is wrong with, in a git repository, of a user without settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PATH", f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}")
    for module in (mlflow_server, s3, remote):
        monkeypatch.setattr(module, "ANSWER_SECONDS", QUICK_SECONDS)
    root = tmp_path / "project"
    shutil.copytree(repository, root)
    shutil.copytree(catalogue, root / "data" / "raw", copy_function=os.link)
    return ProjectPaths(root)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-value")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True)


def examine(paths: ProjectPaths, **options: Any) -> dict[str, list[Check]]:
    """Findings by name; whatever is wrong comes with what to do."""
    settings = options.pop("settings", None) or Settings()
    found: dict[str, list[Check]] = {}
    for check in run_doctor(paths, settings, **options):
        found.setdefault(check.name, []).append(check)
        assert check.detail
        assert check.hint or check.state in ("ok", "skipped"), check
    return found


def only(checks: list[Check], state: str) -> Check:
    found = [check for check in checks if check.state == state]
    assert len(found) == 1, checks
    return found[0]


@contextmanager
def served(respond: Respond, port: int = 0) -> Iterator[str]:
    """An HTTP server on loopback; ``respond`` takes a path and returns status and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = respond(self.path)
            with suppress(ConnectionError):  # whoever asked may not wait for the answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body.encode())

        do_HEAD = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def mlflow_like(location: str, stage: str = "active") -> Respond:
    experiment = {"artifact_location": location, "lifecycle_stage": stage}
    return lambda path: (
        (200, "OK") if path == "/health" else (200, json.dumps({"experiment": experiment}))
    )


def hang(_: str) -> tuple[int, str]:
    time.sleep(9)
    return 200, "OK"


def error_xml(code: str, status: int, message: str = "no") -> Respond:
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return lambda _: (status, xml)


def at(uri: str) -> Settings:
    return Settings.model_construct(mlflow_tracking_uri=uri)


def use_remote(paths: ProjectPaths, endpoint: str, config: str = "config") -> None:
    with (paths.root / ".dvc" / config).open("a") as handle:
        handle.write(f"['remote \"s3\"']\n    url = s3://bucket/x\n    endpointurl = {endpoint}\n")
