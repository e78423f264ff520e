"""What a running stack says of itself in its folder, and how well each of its services is."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rakuten.errors import DataNotFoundError
from rakuten.io import read_json, write_json
from rakuten.stack.addresses import LOOPBACK
from rakuten.stack.runner import Runner

_FILE: Final = "stack.json"


@dataclass(frozen=True)
class Running:
    """A service as it was last noted."""

    name: str
    state: str
    pid: int | None
    port: int | None

    @property
    def address(self) -> str | None:
        """Where it listens."""
        return None if self.port is None else f"{LOOPBACK}:{self.port}"


@dataclass(frozen=True)
class Status:
    """The stack of a folder as it was last noted."""

    pid: int
    profiles: tuple[str, ...]
    only: tuple[str, ...]
    ports: Mapping[str, int]
    services: tuple[Running, ...]

    @property
    def is_up(self) -> bool:
        """Whether the process that runs it is alive."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def running(runner: Runner) -> tuple[Running, ...]:
    """Services of a runner as they are now."""
    return tuple(
        Running(name, one.state, one.child.pid if one.child else None, one.service.port)
        for name, one in runner.members.items()
    )


def write_status(folder: Path, status: Status) -> None:
    """Note how the stack is.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_json(folder / _FILE, asdict(status))


def read_status(folder: Path) -> Status:
    """What was noted last.

    Raises:
        DataNotFoundError: no stack was ever started in the folder.
    """
    path = folder / _FILE
    if not path.is_file():
        raise DataNotFoundError(
            f"No stack was started in {folder}.", hint="rakuten stack up --local starts one"
        )
    values = read_json(path)
    return Status(
        pid=values["pid"],
        profiles=tuple(values["profiles"]),
        only=tuple(values["only"]),
        ports=values["ports"],
        services=tuple(Running(**service) for service in values["services"]),
    )
