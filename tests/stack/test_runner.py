"""Real processes start in order, start again when they fail, and end in reverse, all of them."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rakuten.errors import InterruptedStageError, StageError
from rakuten.stack import runner as runner_module
from rakuten.stack.compose import Health
from rakuten.stack.plan import LocalService
from rakuten.stack.runner import Runner

SLEEP = "import time; print('up', flush=True); time.sleep(60)"


def service(name: str, folder: Path, code: str = SLEEP, **changes: object) -> LocalService:
    """A process of Python, well once the file with its name is there."""
    plain = LocalService(
        name=name,
        command=(sys.executable, "-c", code),
        environment=dict(os.environ),
        folder=folder,
        prepare=(),
        depends_on={},
        health=Health(("test", "-e", name), interval=0.1, start_period=10),
        port=None,
        restart="unless-stopped",
        stop_signal="SIGTERM",
        stop_seconds=5,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, lines: list[str]) -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(*services: LocalService) -> Runner:
        found = Runner(
            {one.name: one for one in services},
            tmp_path / "logs",
            lambda name, line: lines.append(f"{name}|{line}"),
        )
        made.append(found)
        return found

    yield make
    for found in made:
        found.end()


def well(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_service_starts_when_what_it_needs_is_well_and_ends_before_it(
    make: Callable[..., Runner], tmp_path: Path, lines: list[str]
) -> None:
    becomes_well = f"import time; time.sleep(0.7); open('base', 'w'); {SLEEP}"
    stack = make(
        service("base", tmp_path, becomes_well),
        service("top", tmp_path, "import os; os.stat('base'); open('top', 'w'); " + SLEEP,
                depends_on={"base": "service_healthy"}),
    )  # fmt: skip
    stack.start()
    pids = [member.child.pid for member in stack.members.values() if member.child]
    assert [member.state for member in stack.members.values()] == ["well", "well"]
    stack.end()
    own = [line for line in lines if line.startswith("|")]
    assert own == ["|starting base", "|starting top", "|ending top", "|ending base"]
    assert not any(map(is_alive, pids))
    assert len(pids) == 2
    assert (tmp_path / "logs" / "base.log").read_text() == "up\n"
    assert "base|up" in lines


def test_a_job_has_to_succeed_before_what_needs_it(
    make: Callable[..., Runner], tmp_path: Path
) -> None:
    well(tmp_path, "top")
    job = service("job", tmp_path, "open('made', 'w')", health=None, restart="no")
    top = service("top", tmp_path, "import os; os.stat('made'); " + SLEEP,
                  depends_on={"job": "service_completed_successfully"})  # fmt: skip
    stack = make(job, top)
    stack.start()
    assert [member.state for member in stack.members.values()] == ["ended", "well"]
    assert stack.members["job"].starts == 1


def test_a_process_that_is_killed_is_started_again(
    make: Callable[..., Runner], tmp_path: Path, lines: list[str]
) -> None:
    well(tmp_path, "one")
    stack = make(service("one", tmp_path))
    stack.start()
    first = stack.members["one"].child
    assert first is not None
    watching = threading.Thread(target=stack.watch)
    watching.start()
    os.kill(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while stack.members["one"].starts < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    stack.stop()
    watching.join()
    assert "|one ended with -9; it is started again in 0.5 s" in lines
    second = stack.members["one"].child
    assert second is not None
    assert second.pid != first.pid


def test_policies_say_what_is_started_again(make: Callable[..., Runner], tmp_path: Path) -> None:
    policies = {"no": (), "on-failure": (1,), "on-failure:3": (1,), "unless-stopped": (0, 1)}
    for policy, again in policies.items():
        member = make(service("a", tmp_path, restart=policy)).members["a"]
        assert [code for code in (0, 1) if member.restarts(code)] == list(again), policy


def test_pauses_grow_while_starts_fail_and_begin_anew_after_a_long_run(
    make: Callable[..., Runner], tmp_path: Path
) -> None:
    member = make(service("a", tmp_path)).members["a"]
    assert [member.put_off(1) for _ in range(3)] == [0.5, 1.0, 2.0]
    assert member.put_off(11) == 0.5
    assert [member.put_off(1) for _ in range(9)][-1] == 60.0


def test_a_service_that_cannot_start_ends_the_start_and_names_its_log(
    make: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "_FIRST_PAUSE", 0.05)
    stack = make(service("bad", tmp_path, "import sys; sys.exit('no such thing')"))
    with pytest.raises(StageError, match="bad ended with 1 before it was well, 3 times") as caught:
        stack.start()
    assert "bad.log" in str(caught.value.hint)
    assert "no such thing" in (tmp_path / "logs" / "bad.log").read_text()


def test_a_service_that_never_becomes_well_ends_the_start(
    make: Callable[..., Runner], tmp_path: Path
) -> None:
    health = Health(("false",), interval=0.1, retries=1, start_period=0.3)
    with pytest.raises(StageError, match="runs and does not become well"):
        make(service("deaf", tmp_path, health=health)).start()


def test_a_start_can_be_called_off(make: Callable[..., Runner], tmp_path: Path) -> None:
    stack = make(service("slow", tmp_path))
    threading.Timer(0.5, stack.stop).start()
    with pytest.raises(InterruptedStageError):
        stack.start()


def test_a_process_that_does_not_listen_is_killed_with_its_children(
    make: Callable[..., Runner], tmp_path: Path, lines: list[str]
) -> None:
    well(tmp_path, "stubborn")
    code = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '60']); open('child', 'w').write(str(child.pid));"
    )
    stack = make(service("stubborn", tmp_path, code + SLEEP, stop_seconds=0.3))
    stack.start()
    while not (tmp_path / "child").is_file() or not (tmp_path / "child").read_text():
        time.sleep(0.05)
    child = int((tmp_path / "child").read_text())
    assert is_alive(child)
    begun = time.monotonic()
    stack.end()
    assert time.monotonic() - begun < 30  # else it only waited for their own end
    assert "|stubborn did not end in time and is killed" in lines
    deadline = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child) or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]


def test_the_stop_signal_is_the_services_own(make: Callable[..., Runner], tmp_path: Path) -> None:
    well(tmp_path, "one")
    code = "import signal; signal.signal(signal.SIGINT, lambda *_: open('told', 'w') and exit());"
    stack = make(service("one", tmp_path, code + SLEEP, stop_signal="SIGINT"))
    stack.start()
    while not (tmp_path / "logs" / "one.log").read_text():
        time.sleep(0.05)
    stack.end()
    assert (tmp_path / "told").exists()


def test_a_service_without_a_check_is_well_only_after_a_while(
    make: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rakuten.stack.health._SETTLE_SECONDS", 0.8)
    monkeypatch.setattr(runner_module, "_FIRST_PAUSE", 0.05)
    with pytest.raises(StageError):
        make(service("a", tmp_path, "import time; time.sleep(0.1); 1/0", health=None)).start()
