"""What runs here for each service of the stack: the program, its address, its files."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Final

from rakuten.stack.addresses import LOOPBACK, Translation
from rakuten.stack.compose import Condition, Health, Service, Stack
from rakuten.stack.programs import NEEDS
from rakuten.stack.translate import command_line, health_check, prepare_line, variables

_SECRETS: Final = "/run/secrets"


@dataclass(frozen=True)
class LocalService:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    """Where it is started."""
    prepare: tuple[str, ...]
    """A command that writes what the service reads; empty where there is none."""
    depends_on: Mapping[str, Condition]
    health: Health | None
    port: int | None
    restart: str
    stop_signal: str
    stop_seconds: float


@dataclass(frozen=True)
class Absent:
    """A service that cannot run here, and what would change that."""

    name: str
    hint: str
    optional: bool


@dataclass(frozen=True)
class Plan:
    """Processes in start order, and what cannot run."""

    services: Mapping[str, LocalService]
    absent: tuple[Absent, ...]
    files: Mapping[Path, tuple[Path, Translation]]
    """Files to write before the start: their source, and what is replaced in it."""
    secrets: tuple[Path, ...]
    """Files with a secret each, to make unless they are there."""


def choose_ports(
    services: Mapping[str, Service], *, offset: int = 0, free: bool = False
) -> dict[str, int]:
    """A port here for each service that has one: the published one, moved, or any free one."""
    published: dict[str, int] = {}
    for name, service in services.items():
        own = service.local.get("port") or next(iter(service.ports.values()), None)
        if own is not None and not service.local.get("omit"):
            published[name] = int(own)
    if not free:
        return {name: port + offset for name, port in published.items()}
    with ExitStack() as held:
        probes = [held.enter_context(socket()) for _ in published]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return {name: probe.getsockname()[1] for name, probe in zip(published, probes, strict=True)}


def make_plan(
    stack: Stack, chosen: Mapping[str, Service], ports: Mapping[str, int], root: Path, folder: Path
) -> Plan:
    """Translate services to processes; nothing is written or started.

    Args:
        stack: the whole definition.
        chosen: services to run, in start order.
        ports: their ports here.
        root: the project folder.
        folder: where the stack keeps its own files.
    """
    candidates = {name: s for name, s in chosen.items() if not s.local.get("omit")}
    absent = tuple(_absent(candidates))
    without = {one.name for one in absent}
    runs = {name: s for name, s in candidates.items() if name not in without}
    known = {**choose_ports(stack.services), **ports}  # what is not started may run elsewhere
    others = {
        (name, inside): port
        for name, port in known.items()
        for inside in (*stack.services[name].ports, stack.services[name].local.get("port", port))
    }
    addresses = {name: f"{LOOPBACK}:{port}" for name, port in known.items()}
    services: dict[str, LocalService] = {}
    files: dict[Path, tuple[Path, Translation]] = {}
    for name, service in runs.items():
        paths, copies = _places(service, stack, root, folder)
        inside = {*service.ports, *service.ports.values()}
        own = dict.fromkeys(inside, ports[name]) if name in ports else {}
        translation = Translation(others, own, paths)
        files |= {target: (source, translation) for target, source in copies.items()}
        words = {**addresses, "folder": str(folder), "port": str(ports.get(name))}
        services[name] = _local(service, translation, ports.get(name), stack, words, set(runs))
    names = sorted({name for service in runs.values() for name in service.secrets})
    return Plan(services, absent, files, tuple(folder / "secrets" / name for name in names))


def _absent(services: Mapping[str, Service]) -> Iterable[Absent]:
    for name, service in services.items():
        need = NEEDS.get(service.local.get("needs", ""))
        if need is not None and need.find() is None:
            yield Absent(name, need.hint, bool(service.local.get("optional")))


def _places(
    service: Service, stack: Stack, root: Path, folder: Path
) -> tuple[dict[str, str], dict[Path, Path]]:
    """Paths here of what a container has mounted, and the copies that have to be made.

    Settings name other services, so a folder of them is copied; all else is used where it is,
    unless ``x-local`` moves it.
    """
    moved = service.local.get("volumes", {})
    paths = {inside: place.format(root=root, folder=folder) for inside, place in moved.items()}
    paths |= {f"{_SECRETS}/{one}": str(folder / "secrets" / one) for one in service.secrets}
    copies: dict[Path, Path] = {}
    for inside, mount in service.mounts.items():
        place = stack.folder / mount.source
        if inside in moved:
            continue
        if mount.is_volume:
            paths[inside] = str(folder / "volumes" / mount.source)
        elif mount.read_only and place.is_dir():
            target = folder / "files" / service.name / inside.strip("/")
            found = (file for file in place.rglob("*") if file.is_file())
            copies |= {target / file.relative_to(place): file for file in found}
            paths[inside] = str(target)
        else:
            paths[inside] = str(place)
    return paths, copies


def _local(
    service: Service,
    translation: Translation,
    port: int | None,
    stack: Stack,
    words: Mapping[str, str],
    runs: set[str],
) -> LocalService:
    need = NEEDS.get(service.local.get("needs", ""))
    program = need.find() if need else None
    words = {**words, "home": str(_home(program))}
    return LocalService(
        name=service.name,
        command=command_line(service, translation, words, program),
        environment=variables(service, translation, words, program),
        folder=stack.folder,
        prepare=prepare_line(service, translation),
        depends_on={name: how for name, how in service.depends_on.items() if name in runs},
        health=health_check(service, translation, words),
        port=port,
        restart=service.restart,
        stop_signal=service.stop_signal,
        stop_seconds=service.stop_seconds,
    )


def _home(program: Path | None) -> Path | None:
    """Where a program keeps what belongs to it: beside its folder, or where packages put it."""
    if program is None:
        return None
    shared = Path("/usr/share") / program.name
    return shared if shared.is_dir() else program.resolve().parents[1]
