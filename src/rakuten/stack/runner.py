"""Starts processes in order, starts again what ends, and ends all of them, the last one first."""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rakuten.errors import InterruptedStageError, StageError
from rakuten.stack.child import Child
from rakuten.stack.health import HealthWatch, State
from rakuten.stack.plan import LocalService

_TICK_SECONDS: Final = 0.1
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
_SETTLED_SECONDS: Final = 10.0
"""A process that ran for so long was started well: the next pause is the first one again."""
_START_ATTEMPTS: Final = 3
"""A service that ended so often before it was ever well cannot be started."""


class Member:
    """A service with its process, through all its starts."""

    def __init__(self, service: LocalService) -> None:
        self.service = service
        self.child: Child | None = None
        self.watch: HealthWatch | None = None
        self.was_well = False
        self.starts = 0
        self.next_start = 0.0
        self.code: int | None = None
        self._pause = _FIRST_PAUSE

    @property
    def state(self) -> State:
        """How it is now."""
        if self.child is None:
            return "waiting" if self.code is None else ("ended" if self.code == 0 else "failed")
        return self.watch.state if self.watch else "starting"

    def restarts(self, code: int) -> bool:
        """Whether its policy says that it is started again after this exit code."""
        policy, _, _ = self.service.restart.partition(":")
        return policy in ("always", "unless-stopped") or (policy == "on-failure" and code != 0)

    def put_off(self, ran: float) -> float:
        """Seconds until the next start, which become more while starts fail."""
        self._pause = _FIRST_PAUSE if ran > _SETTLED_SECONDS else self._pause
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        self.next_start = time.monotonic() + pause
        return pause


class Runner:
    """All members of a stack.

    Args:
        services: in start order.
        logs: folder of their lines.
        say: called with a name and a line, from several threads; the stack's own have "".
        changed: called when a process starts or ends, or its health changes.
    """

    def __init__(
        self,
        services: Mapping[str, LocalService],
        logs: Path,
        say: Callable[[str, str], None],
        changed: "Callable[[Runner], None]" = lambda _: None,
    ) -> None:
        self.members = {name: Member(service) for name, service in services.items()}
        self._logs, self._say, self._changed = logs, say, changed
        self._stopping = threading.Event()
        self._seen: dict[str, tuple[State, int | None]] = {}

    def stop(self) -> None:
        """Let :meth:`start` or :meth:`watch` return; from a signal handler, for example."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start everything as soon as what it depends on allows; return when all are well.

        Raises:
            StageError: a service cannot be started, or does not become well in time.
            InterruptedStageError: somebody asked for the end meanwhile.
        """
        while not self._stopping.wait(_TICK_SECONDS):
            self._tick()
            for member in self.members.values():
                self._require_a_chance(member)
            if all(self._has_started(member) for member in self.members.values()):
                return
        raise InterruptedStageError("The stack was told to end before it was up.")

    def watch(self) -> None:
        """Keep everything running until somebody asks for the end."""
        while not self._stopping.wait(_TICK_SECONDS):
            self._tick()

    def end(self) -> None:
        """End what runs, in the reverse of the start order, and wait for each."""
        self._stopping.set()
        for member in reversed(self.members.values()):
            child = member.child
            if child is None:
                continue
            self._say("", f"ending {member.service.name}")
            if member.watch:
                member.watch.stop()
            child.signal(signal.Signals[member.service.stop_signal])
            if not child.wait(member.service.stop_seconds):
                self._say("", f"{member.service.name} did not end in time and is killed")
            child.bury()
            member.child, member.watch, member.code = None, None, child.code
            self._note()

    def _tick(self) -> None:
        for member in self.members.values():
            if member.child is not None and member.child.code is not None:
                self._ended(member, member.child)
            if member.child is None and self._may_start(member):
                self._launch(member)
            member.was_well = member.was_well or member.state == "well"
        self._note()

    def _may_start(self, member: Member) -> bool:
        if member.code is not None and not member.restarts(member.code):
            return False
        return time.monotonic() >= member.next_start and (
            member.starts > 0 or all(map(self._is_met, member.service.depends_on.items()))
        )

    def _is_met(self, dependency: tuple[str, str]) -> bool:
        name, condition = dependency
        other = self.members[name]
        if condition == "service_completed_successfully":
            return other.child is None and other.code == 0
        return other.was_well if condition == "service_healthy" else other.starts > 0

    def _has_started(self, member: Member) -> bool:
        return member.was_well or (member.starts > 0 and member.code == 0)

    def _launch(self, member: Member) -> None:
        service = member.service
        self._say("", f"starting {service.name}")
        member.starts += 1
        member.child = Child(
            service.command,
            service.environment,
            service.folder,
            self._logs / f"{service.name}.log",
            lambda line: self._say(service.name, line),
        )
        member.watch = HealthWatch(service)

    def _ended(self, member: Member, child: Child) -> None:
        if member.watch:
            member.watch.stop()
        child.bury()
        code = child.code or 0
        member.child, member.watch, member.code = None, None, code
        text = f"{member.service.name} ended with {code}"
        if member.restarts(code):
            pause = member.put_off(time.monotonic() - child.started)
            text += f"; it is started again in {pause:g} s"
        self._say("", text)

    def _require_a_chance(self, member: Member) -> None:
        """Raise where waiting for a service to become well makes no sense."""
        name, log = member.service.name, self._logs / f"{member.service.name}.log"
        if member.was_well or (member.code == 0 and not member.restarts(0)):
            return
        if member.state == "unwell":
            raise StageError(f"{name} runs and does not become well.", hint=f"its lines: {log}")
        over = member.child is None and member.code is not None
        if over and (member.starts >= _START_ATTEMPTS or not member.restarts(member.code or 0)):
            raise StageError(
                f"{name} ended with {member.code} before it was well, {member.starts} times.",
                hint=f"its lines: {log}",
            )

    def _note(self) -> None:
        now = {
            name: (member.state, member.child.pid if member.child else None)
            for name, member in self.members.items()
        }
        if now != self._seen:
            self._seen = now
            self._changed(self)
