"""Command line, variables and health check of a service, as they read on this machine."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rakuten.settings import EXPORTED
from rakuten.stack.addresses import Translation
from rakuten.stack.compose import Health, Service

_PYTHON: Final = {
    "python": (sys.executable,),
    "rakuten": (sys.executable, "-m", "rakuten.cli"),
    "prefect": (sys.executable, "-m", "prefect"),
}
"""Programs of this environment: what is first on the PATH may be another one's."""
_OTHERS: Final = re.compile(r"(PG|GF_|RCLONE_|S3_|POSTGRES_)[A-Z0-9_]+")


def command_line(
    service: Service, translation: Translation, words: Mapping[str, str], program: Path | None
) -> tuple[str, ...]:
    """Program and arguments: the service's own, or those of its ``x-local``.

    Args:
        service: what the compose file says.
        translation: addresses and paths.
        words: what stands for ``{folder}``, ``{port}``, ``{home}`` in ``x-local``, and for the
            address of each service by its name.
        program: the program of other makers that it needs, if any.
    """
    need = service.local.get("needs")
    if "command" in service.local:
        parts = [str(part).format(**words) for part in service.local["command"]]
    else:
        parts = [translation.argument(part) for part in service.command]
        parts = [need, *parts] if need else parts
    if program is not None and parts[0] == need:
        return (str(program), *parts[1:])
    return _with_python(parts)


def prepare_line(service: Service, translation: Translation) -> tuple[str, ...]:
    """The command of its ``x-local`` that writes what it reads, if there is one."""
    parts = [translation.argument(str(part)) for part in service.local.get("prepare", ())]
    return _with_python(parts) if parts else ()


def variables(
    service: Service, translation: Translation, words: Mapping[str, str], program: Path | None
) -> dict[str, str]:
    """All variables of the process: those of the service, over what any program here needs."""
    local = service.local.get("environment", {})
    own = {key: str(value).format(**words) for key, value in local.items()}
    return {**_inherited(program), **translation.environment(service.environment), **own}


def health_check(
    service: Service, translation: Translation, words: Mapping[str, str]
) -> Health | None:
    """The service's check, or the one of its ``x-local``, with the same times."""
    if service.health is None:
        return None
    own = service.local.get("healthcheck")
    if own is not None:
        kind, *parts = (str(part).format(**words) for part in own)
    else:
        kind, *parts = service.health.test
        parts = [translation.argument(part) for part in parts]
    if kind == "CMD-SHELL":
        return replace(service.health, test=("sh", "-c", *parts))
    return replace(service.health, test=_with_python(parts))


def _with_python(parts: Sequence[str]) -> tuple[str, ...]:
    return (*_PYTHON.get(parts[0], (parts[0],)), *parts[1:])


def _inherited(program: Path | None) -> dict[str, str]:
    """This process's variables, without those that say how a service works."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not EXPORTED.fullmatch(name) and not _OTHERS.fullmatch(name)
    }
    folders = [str(Path(sys.executable).parent), *([str(program.parent)] if program else [])]
    kept["PATH"] = os.pathsep.join([*folders, kept.get("PATH", os.defpath)])
    kept["NO_PROXY"] = ",".join(filter(None, ["127.0.0.1,localhost", kept.get("NO_PROXY")]))
    kept["PYTHONUNBUFFERED"] = "1"
    return kept
