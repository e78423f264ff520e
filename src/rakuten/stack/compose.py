"""Services of a compose file, as far as processes on one machine need them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from rakuten.errors import ConfigurationError, DataNotFoundError
from rakuten.stack.interpolation import interpolate, interpolate_tree

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]

_REPLACED: Final = ("command", "entrypoint", "test")
"""Keys whose list takes the place of the extended service's, instead of following it."""
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Health:
    """A health check; times in seconds."""

    test: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0

    @property
    def deadline(self) -> float:
        """Seconds after which a service that was never well counts as failed."""
        return self.start_period + self.interval * self.retries


@dataclass(frozen=True)
class Mount:
    """Where a folder or file of a container comes from: a path, or the name of a volume."""

    source: str
    read_only: bool

    @property
    def is_volume(self) -> bool:
        """Whether it is a named volume."""
        return not self.source.startswith((".", "/", "~"))


@dataclass(frozen=True)
class Service:
    """One service; everything is interpolated. ``local`` is its ``x-local``."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    depends_on: Mapping[str, Condition]
    health: Health | None
    mounts: Mapping[str, Mount]
    """By their path in the container."""
    ports: Mapping[int, int]
    """Ports of the container, and those that they are published as."""
    secrets: tuple[str, ...]
    """Names of files in ``/run/secrets``."""
    profiles: tuple[str, ...]
    restart: str
    stop_signal: str
    stop_seconds: float
    local: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stack:
    """What a compose file defines."""

    folder: Path
    services: Mapping[str, Service]
    profiles: tuple[str, ...]
    """Those that are started unless somebody names others (``x-profiles``)."""


def read_stack(path: Path, variables: Mapping[str, str]) -> Stack:
    """Read a compose file with what it extends.

    Raises:
        DataNotFoundError: there is no such file.
        ConfigurationError: it cannot be read, or a required variable has no value.
    """
    content = _load(path)
    services = {
        name: _service(name, interpolate_tree(_extended(content, name, path), variables))
        for name in content["services"]
    }
    profiles = interpolate(str(content.get("x-profiles", "")), variables)
    return Stack(path.parent.resolve(), services, tuple(re.findall(r"[^\s,]+", profiles)))


def compose_text(path: Path) -> str:
    """Text of a compose file and of those that it extends, to look for variables in.

    Raises:
        DataNotFoundError, ConfigurationError: as in :func:`read_stack`.
    """
    bases = {
        path.parent / service["extends"]["file"]
        for service in _load(path)["services"].values()
        if isinstance(service.get("extends"), Mapping) and "file" in service["extends"]
    }
    texts = [file.read_text(encoding="utf-8") for file in (path, *sorted(bases))]
    lines = (line for text in texts for line in text.splitlines())
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def choose(
    stack: Stack, profiles: Iterable[str] = (), only: Iterable[str] = ()
) -> dict[str, Service]:
    """Services of some profiles, or some by name, with all that they depend on, in start order.

    Raises:
        ConfigurationError: a name is unknown, or services depend on each other in a circle.
    """
    named, wanted = list(only), set(profiles)
    known = {profile for service in stack.services.values() for profile in service.profiles}
    for unknown in [*(set(named) - set(stack.services)), *(wanted - known)]:
        raise ConfigurationError(
            f"The stack has no {unknown!r}.",
            hint=f"services: {', '.join(stack.services)}; profiles: {', '.join(sorted(known))}",
        )
    if not named:
        named = [
            name
            for name, service in stack.services.items()
            if not service.profiles or wanted & set(service.profiles)
        ]
    chosen: dict[str, Service] = {}
    for name in named:
        _add(name, stack.services, chosen, ())
    return chosen


def _add(
    name: str, services: Mapping[str, Service], chosen: dict[str, Service], above: tuple[str, ...]
) -> None:
    """Add what a service depends on, then the service."""
    if name in above:
        circle = " → ".join([*above[above.index(name) :], name])
        raise ConfigurationError(f"Services of the stack wait for each other: {circle}.")
    if name in chosen:
        return
    service = services[name]
    for needed in service.depends_on:
        _add(needed, services, chosen, (*above, name))
    chosen[name] = service


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataNotFoundError(
            f"There is no {path}.", hint="call the command in the project folder, or give --file"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("services"), dict):
        raise ConfigurationError(f"{path} defines no services.")
    return content


def _extended(content: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """A service's own keys over those of the one that it extends."""
    own = dict(content["services"][name] or {})
    base = own.pop("extends", None)
    if base is None:
        return own
    source = {"service": base} if isinstance(base, str) else base
    other = _load(path.parent / source["file"]) if "file" in source else content
    try:
        return _over(_extended(other, source["service"], path), own)
    except KeyError as error:
        raise ConfigurationError(f"{name} extends {error}, which {path} does not find.") from error


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _over(before, value)
        elif isinstance(before, list) and isinstance(value, list) and key not in _REPLACED:
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged


def _service(name: str, values: Mapping[str, Any]) -> Service:
    try:
        return Service(
            name=name,
            command=tuple(map(str, values.get("command", ()))),
            environment=_environment(values.get("environment", {})),
            depends_on=_depends_on(values.get("depends_on", {})),
            health=_health(values.get("healthcheck")),
            mounts=dict(map(_mount, values.get("volumes", ()))),
            ports=dict(map(_port, values.get("ports", ()))),
            secrets=tuple(values.get("secrets", ())),
            profiles=tuple(values.get("profiles", ())),
            restart=str(values.get("restart", "no")),
            stop_signal=str(values.get("stop_signal", "SIGTERM")),
            stop_seconds=seconds(values.get("stop_grace_period", "10s")),
            local=values.get("x-local", {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"Service {name} of the stack is written in a form that is not known here: {error}.",
            hint="docs/stack.md says what the stack without containers reads",
        ) from error


def _environment(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: "" if value is None else str(value) for key, value in values.items()}


def _depends_on(values: Any) -> dict[str, Condition]:
    """Services that are needed; those that may be absent count for nothing here."""
    if isinstance(values, list):
        return dict.fromkeys(values, "service_started")
    return {name: how["condition"] for name, how in values.items() if how.get("required", True)}


def _health(values: Mapping[str, Any] | None) -> Health | None:
    if values is None or values.get("disable") or values["test"] == ["NONE"]:
        return None
    test = values["test"]
    names = {"interval", "timeout", "start_period"} & set(values)
    times = {name: seconds(values[name]) for name in names}
    return Health(
        test=("CMD-SHELL", test) if isinstance(test, str) else tuple(map(str, test)),
        retries=int(values.get("retries", 3)),
        **times,
    )


def _mount(text: str) -> tuple[str, Mount]:
    source, target, *options = text.split(":")
    return target.rstrip("/"), Mount(source, read_only="ro" in options)


def _port(text: str) -> tuple[int, int]:
    *_, published, inside = str(text).split(":")
    return int(inside), int(published)


def seconds(text: str) -> float:
    """Seconds of a duration such as ``1m30s``."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
