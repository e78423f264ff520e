"""``rakuten exporter`` as a process: it ends in order, and slow clients keep nobody waiting."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rakuten.settings import Settings
from rakuten.store.database import Database
from rakuten.store.monitoring import put_decision, put_run
from rakuten.store.predictions import insert_predictions
from tests.conftest import REPOSITORY
from tests.monitoring.exporter.material import parse
from tests.servers.process import answers_http, free_port
from tests.store.material import make_record
from tests.store.test_monitoring import make_decision, make_run


def start(root: Path, port: int, *options: str) -> "subprocess.Popen[str]":
    """The command in a project folder."""
    command = [sys.executable, "-m", "rakuten.cli", "--root", str(root), "exporter"]
    return subprocess.Popen(
        [*command, "--port", str(port), *options],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def running(tmp_path: Path) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """An exporter of an empty project, and its port."""
    port = free_port()
    process = start(tmp_path, port, "--every", "0")
    try:
        while not answers_http(f"http://127.0.0.1:{port}/healthz"):
            assert process.poll() is None
        yield process, port
    finally:
        process.kill()
        process.communicate()


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_begins_before_its_store_shows_it_later_and_ends_in_order(
    running: "tuple[subprocess.Popen[str], int]", tmp_path: Path, number: int
) -> None:
    process, port = running
    assert parse(get(port)).of("rakuten_exporter_store_up") == 0
    database = Database(Settings().store_url(tmp_path))
    database.migrate()
    put_run(database, make_run())
    database.close()
    assert parse(get(port)).by("rakuten_monitor_runs_total", "outcome")["critical"] == 1
    process.send_signal(number)
    assert process.wait(timeout=15) == 0
    assert process.stderr
    printed = process.stderr.read()
    assert "Traceback" not in printed
    assert "is not there" in printed
    assert "gives checks, decisions and runs again" in printed


def test_clients_that_say_nothing_or_never_read_keep_nobody_waiting(
    running: "tuple[subprocess.Popen[str], int]",
) -> None:
    process, port = running
    with ExitStack() as stack:
        for number in range(80):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"\r\n" * (number % 2))
        assert parse(get(port)).of("rakuten_exporter_store_up") == 0
        process.terminate()
        assert process.wait(timeout=15) == 0


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, taken.getsockname()[1])
        printed = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert "Address already in use" in printed
    assert "metrics are at" not in printed
    assert "Traceback" not in printed


@pytest.mark.servers
def test_promtool_finds_nothing_wrong(
    running: "tuple[subprocess.Popen[str], int]", tmp_path: Path
) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "apt-get install prometheus"
    database = Database(Settings().store_url(tmp_path))
    database.migrate()
    put_run(database, make_run())
    put_decision(database, make_decision())
    with database.write() as connection:
        insert_predictions(connection, [make_record()])
    database.close()
    page = get(running[1])
    assert parse(page).of("rakuten_review_queue_products") == 1
    check = [promtool, "check", "metrics"]
    done = subprocess.run(check, input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
