"""The stack without containers, from start to end: what ``rakuten stack up --local`` does."""

import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Final

from rakuten.errors import BusyError, ConfigurationError, InterruptedStageError, StageError
from rakuten.io import storage_error
from rakuten.settings import ENV_FILE
from rakuten.stack.addresses import LOOPBACK
from rakuten.stack.child import adopt_orphans, end_orphans
from rakuten.stack.compose import Stack, choose, compose_text, read_stack
from rakuten.stack.interpolation import required_names
from rakuten.stack.plan import Plan, choose_ports, make_plan
from rakuten.stack.runner import Runner
from rakuten.stack.secrets import make_secret_file, make_secrets
from rakuten.stack.status import Status, running, write_status

COMPOSE_FILE: Final = "docker-compose.yml"
FOLDER: Final = Path(".rakuten") / "stack"
_SECRETS: Final = "secrets.env"
_FIXED: Final = {"STACK_LOG_FORMAT": "text"}


@dataclass(frozen=True)
class Choice:
    """Which services, and where they listen."""

    profiles: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    offset: int = 0
    free: bool = False


@dataclass(frozen=True)
class LocalStack:
    """A compose file, the project that it works on, and a folder for what the stack keeps."""

    file: Path
    root: Path
    folder: Path

    @cached_property
    def variables(self) -> dict[str, str]:
        """Values for the compose file: ``.env``, the shell over it, and secrets made here.

        Raises:
            StorageError: the secrets cannot be kept.
        """
        from dotenv import dotenv_values

        file = {k: v for k, v in dotenv_values(self.root / ENV_FILE).items() if v is not None}
        shell = {name: value for name, value in os.environ.items() if value}
        known = {**file, **shell, **_FIXED, "RAKUTEN_PROJECT": str(self.root.resolve())}
        names = required_names(compose_text(self.file))
        return {**known, **make_secrets(self.folder / _SECRETS, names, known)}

    @cached_property
    def stack(self) -> Stack:
        """The definition."""
        return read_stack(self.file, self.variables)

    def plan(self, choice: Choice, ports: Mapping[str, int] | None = None) -> Plan:
        """What runs here for a choice; ports are chosen anew unless they are given."""
        profiles = choice.profiles or self.stack.profiles
        chosen = choose(self.stack, () if choice.only else profiles, choice.only)
        if ports is None:
            ports = choose_ports(chosen, offset=choice.offset, free=choice.free)
        return make_plan(self.stack, chosen, ports, self.root.resolve(), self.folder.resolve())


def require_programs(plan: Plan) -> list[str]:
    """Names of optional services that cannot run here.

    Raises:
        ConfigurationError: one that cannot run here is not optional.
    """
    missing = [one for one in plan.absent if not one.optional]
    if missing:
        raise ConfigurationError(
            f"Not installed here: {', '.join(one.name for one in missing)}.",
            hint="; ".join(f"{one.name}: {one.hint}" for one in missing)
            + "; or leave them out with --only",
        )
    return [one.name for one in plan.absent]


def taken_ports(plan: Plan) -> dict[str, int]:
    """Services whose port somebody else listens on."""
    taken = {}
    for name, service in plan.services.items():
        if service.port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, service.port))
            except OSError:
                taken[name] = service.port
    return taken


def run_stack(
    local: LocalStack,
    choice: Choice,
    say: Callable[[str, str], None],
    ready: Callable[[Runner], None],
) -> None:
    """Start a stack, keep it running until SIGINT or SIGTERM, then end all of it.

    Args:
        local: the stack.
        choice: which of its services.
        say: takes a name ("" for the stack itself) and a line.
        ready: called once, when everything is well.

    Raises:
        ConfigurationError: something is missing, or a port is taken.
        BusyError: the folder's stack runs already.
        StageError: a service cannot be started.
    """
    with _held(local.folder):
        plan = local.plan(choice)
        for name in require_programs(plan):
            say("", f"{name} is not installed here and is left out")
        if taken := taken_ports(plan):
            listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
            raise ConfigurationError(
                f"Ports are taken on {LOOPBACK}: {listed}.",
                hint="end what listens there, or move the stack with --port-offset 10000",
            )
        _write_files(plan)
        _prepare(plan)
        runner = Runner(
            plan.services,
            local.folder / "logs",
            say,
            lambda now: write_status(local.folder, _status(now, choice, local)),
        )
        _run(runner, ready)


def _run(runner: Runner, ready: Callable[[Runner], None]) -> None:
    def told(_number: int, _frame: FrameType | None) -> None:
        runner.stop()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    adopt_orphans()
    try:
        runner.start()
        ready(runner)
        runner.watch()
    except InterruptedStageError:
        pass  # whoever asked for the end gets it
    finally:
        runner.end()
        end_orphans()
        for number, handler in before.items():
            signal.signal(number, handler)


def _status(runner: Runner, choice: Choice, local: LocalStack) -> Status:
    services = running(runner)
    ports = {one.name: one.port for one in services if one.port is not None}
    profiles = choice.profiles or local.stack.profiles
    return Status(os.getpid(), profiles, choice.only, ports, services)


def _prepare(plan: Plan) -> None:
    """Run the commands that write what services read.

    Raises:
        StageError: one of them failed.
    """
    for service in plan.services.values():
        if not service.prepare:
            continue
        done = subprocess.run(
            service.prepare,
            env=dict(service.environment),
            cwd=service.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
            raise StageError(f"{service.name} cannot be prepared: {last[0]}")


def _write_files(plan: Plan) -> None:
    """Secrets, and copies of settings with the addresses of this machine in them."""
    for secret in plan.secrets:
        make_secret_file(secret)
    for target, (source, translation) in plan.files.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text(encoding="utf-8")
            target.write_text(translation.text(text), encoding="utf-8")
        except OSError as error:
            raise storage_error(error, target) from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go when this process ends.

    Raises:
        BusyError: another process holds it.
        StorageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as error:
        raise storage_error(error, folder / "lock") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"The stack of {folder} runs already.",
                hint="rakuten stack status shows it; another one needs another --folder",
            ) from error
        yield
