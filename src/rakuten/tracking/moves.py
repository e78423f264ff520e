"""Alias moves: promotion and rollback, one at a time, each recorded on the versions it touches."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from rakuten.errors import PromotionError, TrackingError
from rakuten.logs import get_logger
from rakuten.tracking.lock import move_lock
from rakuten.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry, Version

log = get_logger(__name__)

MOVE_TAG: Final = "move."
"""Start of the tags that record moves; the time follows."""
ROLLED_BACK_TAG: Final = "rolled_back"


@dataclass(frozen=True)
class Move:
    """A change of the champion: from which version to which, by whom, when, why, on what ground.

    ``state`` is started until the alias has moved; one that stays so was interrupted.
    """

    kind: Literal["promotion", "rollback"]
    to: int
    origin: int | None
    by: str
    why: str
    verdict: str
    at: str = ""
    state: Literal["started", "done"] = "started"


def promote_version(
    registry: Registry,
    version: Version,
    expected: Version | None,
    *,
    by: str,
    why: str,
    verdict: str,
) -> Move:
    """Make a version the champion, provided that the champion is still the expected one.

    Raises:
        PromotionError: another promotion or rollback is under way or was faster.
        TrackingError: the registry did not answer.
    """
    move = Move("promotion", version.number, _number(expected), by, why, verdict)
    with move_lock(registry, by) as still_mine:
        current = registry.by_alias(CHAMPION)
        if _number(current) != _number(expected):
            raise PromotionError(
                f"The champion is no longer {_named(expected)} but {_named(current)}: another "
                "promotion or rollback was faster. Nothing was changed.",
                hint="rakuten models --history says who; promote again to compare with it",
            )
        touched = [version, *([current] if current is not None else [])]
        with _recorded(registry, move, touched) as recorded:
            if current is not None:
                registry.point(PREVIOUS, current)
            still_mine()
            _go_live(registry, version)
            challenger = registry.by_alias(CHALLENGER)
            if challenger is not None and challenger.number == version.number:
                registry.point(CHALLENGER, None)
            if ROLLED_BACK_TAG in version.tags:
                registry.tag([version], ROLLED_BACK_TAG, "")
    return replace(recorded, state="done")


def roll_back(registry: Registry, target: Version, *, by: str, why: str, verdict: str) -> Move:
    """Make the previous version the champion again; ``previous`` goes to what was before it.

    Raises:
        PromotionError: another promotion or rollback is under way or was faster.
        TrackingError: the registry did not answer.
    """
    with move_lock(registry, by) as still_mine:
        current, previous = registry.by_alias(CHAMPION), registry.by_alias(PREVIOUS)
        if _number(previous) != target.number or _number(current) == target.number:
            raise PromotionError(
                f"The previous version is no longer {target}: another promotion or rollback was "
                "faster. Nothing was changed.",
                hint="rakuten models --history says who",
            )
        move = Move("rollback", target.number, _number(current), by, why, verdict)
        touched = [target, *([current] if current is not None else [])]
        with _recorded(registry, move, touched) as recorded:
            still_mine()
            _go_live(registry, target)
            registry.point(PREVIOUS, _predecessor(registry, target))
            if current is not None:
                reason = {"by": by, "at": recorded.at, "why": why}
                registry.tag([current], ROLLED_BACK_TAG, json.dumps(reason))
    return replace(recorded, state="done")


def history(versions: list[Version]) -> list[Move]:
    """Every recorded move, newest first; a tag that somebody spoilt is left out."""
    found: dict[str, Move] = {}
    for version in versions:
        for key, value in version.tags.items():
            if not key.startswith(MOVE_TAG):
                continue
            try:
                found[key] = Move(**json.loads(value))
            except (TypeError, ValueError):
                log.warning("%s: the tag %s is no record of a move", version, key)
    return sorted(found.values(), key=lambda move: move.at, reverse=True)


@contextmanager
def _recorded(registry: Registry, move: Move, versions: list[Version]) -> Iterator[Move]:
    """Record a move as started on the versions it touches, and as done when it is."""
    stamped = replace(move, at=datetime.now(UTC).isoformat(timespec="microseconds"))
    key = MOVE_TAG + stamped.at.replace(":", "").replace("+", "Z")
    registry.tag(versions, key, json.dumps(asdict(stamped)))
    yield stamped
    registry.tag(versions, key, json.dumps(asdict(replace(stamped, state="done"))))


def _go_live(registry: Registry, version: Version) -> None:
    try:
        registry.point(CHAMPION, version)
        live = registry.by_alias(CHAMPION)
    except TrackingError as error:
        raise TrackingError(
            f"{error.message} Whether {version} became champion is not known.",
            hint="rakuten models shows what is live; repeat the command if it did not move",
        ) from error
    if _number(live) != version.number:
        raise PromotionError(
            f"The champion is {_named(live)} right after {version} was made it.",
            hint="somebody moves aliases by other means; rakuten models --history",
        )


def _predecessor(registry: Registry, version: Version) -> Version | None:
    """The champion before this version was promoted, unless it is gone or was rolled back."""
    versions = registry.versions()
    moves = [m for m in history(versions) if m.kind == "promotion" and m.state == "done"]
    origin = next((move.origin for move in moves if move.to == version.number), None)
    usable = (v for v in versions if v.number == origin and ROLLED_BACK_TAG not in v.tags)
    return next(usable, None)


def _number(version: Version | None) -> int | None:
    return version.number if version is not None else None


def _named(version: Version | None) -> str:
    return str(version) if version is not None else "no version"
