"""A server that does not come up says why; one that has children takes them along."""

import sys
from pathlib import Path

import pytest

from tests.servers.object_store import find_rclone
from tests.servers.process import ServerProcess, answers_http, free_port

SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"


def test_stopping_a_server_stops_its_children(tmp_path: Path) -> None:
    port = free_port()
    child = [sys.executable, "-c", SERVE.format(port=port)]
    parent = f"import subprocess; subprocess.run({child!r})"
    url = f"http://127.0.0.1:{port}"
    server = ServerProcess(
        [sys.executable, "-c", parent], tmp_path / "log", lambda: answers_http(url)
    )
    with server:
        assert answers_http(url)
    assert not answers_http(url)


def test_command_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    server = ServerProcess(command, tmp_path / "log", lambda: False)
    with pytest.raises(RuntimeError, match="(?s)ended with 1.*no such option"):
        server.start()


def test_absent_program_names_the_target_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="make servers"):
        find_rclone()
