"""`rakuten stack up --local` with PostgreSQL, MLflow and the API as real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rakuten.stack.child import _children
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.servers

ANSWERS = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Twin:
    """A stack that runs as its user would run it."""

    root: Path
    process: subprocess.Popen[bytes]

    def rakuten(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "--root", str(self.root), "stack", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def state(self) -> dict[str, object]:
        return dict(json.loads((self.root / ".rakuten/stack/stack.json").read_text()))

    @property
    def ports(self) -> dict[str, int]:
        ports = self.state["ports"]
        assert isinstance(ports, dict)
        return ports

    @property
    def lines(self) -> str:
        return (self.root / "lines").read_text()


COMMAND = [sys.executable, "-m", "rakuten.cli"]
FILE = ("--file", str(REPOSITORY / "docker-compose.yml"))


def start(root: Path, *options: str) -> Twin:
    with (root / "lines").open("wb") as lines:
        process = subprocess.Popen(
            [*COMMAND, "--root", str(root), "stack", "up", "--local", *options, *FILE],
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Twin(root, process)


def wait_until_well(twin: Twin) -> None:
    deadline = time.monotonic() + 120
    while "all services are well" not in twin.lines:
        assert twin.process.poll() is None, twin.lines
        assert time.monotonic() < deadline, twin.lines
        time.sleep(0.2)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder that the user postgres can reach."""
    folder = Path(tempfile.mkdtemp(prefix="rakuten-stack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def twin(root: Path) -> Iterator[Twin]:
    found = start(root, "--only", "api", "--free-ports")
    try:
        wait_until_well(found)
        yield found
    finally:
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(60) == 0, found.lines


def status(url: str) -> int:
    try:
        with ANSWERS.open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_services_answer_where_the_table_says(twin: Twin) -> None:
    assert set(twin.ports) == {"postgres", "mlflow", "api"}
    assert status(f"http://127.0.0.1:{twin.ports['api']}/healthz") == 200
    assert status(f"http://127.0.0.1:{twin.ports['mlflow']}/health") == 200
    for name, port in twin.ports.items():
        assert f"127.0.0.1:{port}" in twin.lines, name


def test_the_api_has_the_database_and_the_registry_of_the_stack(twin: Twin) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ANSWERS.open(f"http://127.0.0.1:{twin.ports['api']}/readyz", timeout=10)
    found = json.loads(caught.value.read())
    assert found["store"]["database_up"] is True
    # It was asked, and says that there is none: it is not away.
    assert found["degraded"] == ["The model registry has no champion of rakuten-classifier."]


def test_a_command_runs_with_the_variables_of_a_service(twin: Twin) -> None:
    made = twin.rakuten("exec", *FILE, "api", "--", *COMMAND, "keys", "create", "shop front")
    assert made.returncode == 0, made.stderr
    listed = twin.rakuten("exec", *FILE, "api", "--", *COMMAND, "keys", "list")
    assert "shop front" in listed.stdout
    assert status(f"http://127.0.0.1:{twin.ports['api']}/v1/model") == 401


def test_databases_are_closed_to_each_others_owners(twin: Twin) -> None:
    asked = 'import psycopg; psycopg.connect(dbname="mlflow").close()'
    variables = ["PGHOST=127.0.0.1", f"PGPORT={twin.ports['postgres']}", "PGUSER=rakuten"]
    tried = twin.rakuten("exec", *FILE, "api", "--", "env", *variables, sys.executable, "-c", asked)
    assert tried.returncode == 1
    assert "permission denied for database" in tried.stderr


def test_status_asks_every_service(twin: Twin) -> None:
    shown = twin.rakuten("status", *FILE)
    assert shown.returncode == 0, shown.stdout
    assert shown.stdout.count(" well") == 3


def test_a_second_stack_in_the_same_folder_is_refused(twin: Twin) -> None:
    refused = twin.rakuten("up", "--local", "--only", "api", *FILE)
    assert refused.returncode == 1
    assert "runs already" in refused.stderr


def test_no_secret_is_shown_or_read_by_others(twin: Twin) -> None:
    file = twin.root / ".rakuten/stack/secrets.env"
    assert file.stat().st_mode & 0o777 == 0o600
    secrets = [line.split("=", 1)[1] for line in file.read_text().splitlines()]
    assert len(secrets) >= 6
    logs = [path.read_text() for path in (twin.root / ".rakuten/stack/logs").iterdir()]
    shown = "".join([twin.lines, *logs, json.dumps(twin.state)])
    commands = b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.is_file()
    ).decode(errors="replace")
    assert [secret for secret in secrets if secret in shown or secret in commands] == []


def test_a_killed_service_comes_back(twin: Twin) -> None:
    services = twin.state["services"]
    assert isinstance(services, list)
    (pid,) = [one["pid"] for one in services if one["name"] == "api"]
    os.kill(pid, signal.SIGKILL)
    url, deadline = f"http://127.0.0.1:{twin.ports['api']}/healthz", time.monotonic() + 60
    while "api ended with -9" not in twin.lines and time.monotonic() < deadline:
        time.sleep(0.1)
    while time.monotonic() < deadline:
        try:
            assert status(url) == 200
            break
        except urllib.error.URLError:
            time.sleep(0.2)
    assert status(url) == 200


def below(pid: int) -> list[int]:
    """Processes of a stack, and theirs."""
    children = _children(pid)
    return children + [grandchild for child in children for grandchild in _children(child)]


def test_a_killed_stack_takes_its_processes_along(root: Path) -> None:
    folder = root / "killed"
    folder.mkdir(mode=0o755)
    twin = start(folder, "--only", "postgres", "--free-ports")
    wait_until_well(twin)
    left = below(twin.process.pid)
    assert len(left) > 3
    twin.process.kill()
    twin.process.wait()
    deadline = time.monotonic() + 20
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if is_running(pid)]
        time.sleep(0.1)
    assert left == []


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waits to be buried by a parent that it lost."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_it_ends_in_reverse_leaves_nothing_behind_and_goes_on_where_it_was(root: Path) -> None:
    folder = root / "again"
    folder.mkdir(mode=0o755)
    for number in (signal.SIGINT, signal.SIGTERM):
        twin = start(folder, "--only", "postgres", "--free-ports")
        wait_until_well(twin)
        processes = below(twin.process.pid)
        assert len(processes) > 3  # PostgreSQL has processes of its own
        twin.process.send_signal(number)
        assert twin.process.wait(60) == 0, twin.lines
        assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    assert "ending postgres" in twin.lines
    assert "Unix socket" not in twin.lines  # the cluster was there: it was not made again
    stopped = twin.rakuten("status", *FILE)
    assert stopped.returncode == 1
    assert "does not run" in stopped.stderr
