"""`rakuten serve` writes one form of line, whoever has something to say."""

import json
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.servers.process import ServerProcess, answers_http, free_port


def serve(root: Path, port: int, form: str) -> ServerProcess:
    command = [sys.executable, "-m", "rakuten.cli", "--root", str(root), "serve", "--dev"]
    return ServerProcess(
        [*command, "--port", str(port)],
        root / "serve.log",
        lambda: answers_http(f"http://127.0.0.1:{port}/healthz"),
        environment={"LOG_FORMAT": form},
        seconds=60,
    )


def test_lines_of_the_server_are_json_too(tmp_path: Path) -> None:
    port = free_port()
    server = serve(tmp_path, port, "json")
    with server:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"this is no HTTP\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
        server.stop(signal.SIGTERM)
    events = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"time", "level", "logger", "event"} <= set.intersection(*map(set, events))
    (refused,) = (event for event in events if event["logger"] == "uvicorn.error")
    assert (refused["level"], refused["event"]) == ("warning", "Invalid HTTP request received.")
    paths = [event.get("route") for event in events if event["logger"] == "rakuten.access"]
    assert "/healthz" in paths


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = serve(tmp_path, taken.getsockname()[1], "text")
        with pytest.raises(RuntimeError, match="address already in use"):
            server.start()
    lines = server.log.read_text().splitlines()
    assert any(re.match(r"error: \[Errno 98\] .*address already in use", line) for line in lines)
