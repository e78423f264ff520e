"""One alias move at a time: a lock that the registry itself enforces by its unique names."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from rakuten.errors import PromotionError, TrackingError
from rakuten.logs import get_logger
from rakuten.tracking.registry import Registry

log = get_logger(__name__)

EXPIRES: Final = timedelta(minutes=4)
"""After this a lock counts as left behind by a process that was killed."""
_HOLDER: Final = "holder"


@contextmanager
def move_lock(registry: Registry, who: str) -> Iterator[Callable[[], None]]:
    """Hold the right to move aliases; MLflow has no compare-and-set, but model names are unique.

    The lock is a registered model ``<name>.lock.1`` that exists while an alias moves. If its
    holder was killed, the next one creates ``.lock.2`` and so on: of several that find an
    expired lock only one succeeds. What is yielded must be called right before what has to be
    safe: it raises where half of the time is over, since after all of it another may have
    taken over.

    Raises:
        PromotionError: somebody else is moving an alias.
        TrackingError: the registry did not answer.
    """
    begun = time.monotonic()
    mine = _acquire(registry, who)

    def still_mine() -> None:
        if time.monotonic() - begun > EXPIRES.total_seconds() / 2:
            raise TrackingError(
                "The model registry answers too slowly to move an alias safely.",
                hint="try again; rakuten models shows what is live",
            )

    try:
        yield still_mine
    finally:
        if time.monotonic() - begun < EXPIRES.total_seconds():  # else whoever took over does it
            # The lowest first: whoever comes next starts with that one.
            for number in range(1, mine + 1):
                _release(registry, _name(registry, number))


def _acquire(registry: Registry, who: str) -> int:
    for number in count(1):
        now = datetime.now(UTC)
        holder = json.dumps({"by": who, "at": now.isoformat(timespec="seconds")})
        if registry.create_unique(_name(registry, number), {_HOLDER: holder}):
            return number
        found = registry.read_unique(_name(registry, number))
        other = json.loads(found.get(_HOLDER, "{}")) if found else {}
        since = datetime.fromisoformat(other["at"]) if "at" in other else now
        if found is None or now - since < EXPIRES:
            raise PromotionError(
                f"Another promotion or rollback of {registry.name} is under way, by "
                f"{other.get('by', 'somebody')} since {since.isoformat(timespec='seconds')}.",
                hint="look at rakuten models when it is over and try again "
                f"(a lock that was left behind counts for {EXPIRES.seconds // 60} minutes)",
            )
        log.warning("a promotion of %s was killed half-way", since.isoformat())
    raise AssertionError  # count() never ends


def _release(registry: Registry, name: str) -> None:
    try:
        registry.remove_unique(name)
    except TrackingError as error:  # it expires by itself
        log.warning("the lock %s could not be removed: %s", name, error.message)


def _name(registry: Registry, number: int) -> str:
    return f"{registry.name}.lock.{number}"
