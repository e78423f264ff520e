"""What a service acknowledged under load, and whether its store kept all of it."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from serving_shop import distinct_products, large_photos

from rakuten import catalog


@dataclass(frozen=True)
class Material:
    """What is asked: titles with descriptions, and photos with their base64 and SHA-256."""

    texts: Sequence[tuple[str, str]]
    photos: Sequence[tuple[str, str]]


def read_material(project: Path, photos: int) -> Material:
    """Products and photos of a project's catalogue."""
    raw = project / "data/raw"
    found = large_photos(raw / catalog.IMAGE_TRAIN, photos)
    pairs = [(base64.b64encode(one).decode(), hashlib.sha256(one).hexdigest()) for one in found]
    return Material(distinct_products(raw), pairs)


@dataclass(frozen=True)
class Asked:
    """A request: what, from when to when (``time.monotonic``), and how it ended.

    ``outcome`` is right, refused (a 503 as the documentation has it), silent (no answer) or wrong.
    """

    kind: str
    begun: float
    ended: float
    outcome: str


@dataclass
class Ledger:
    """All requests, and what the service acknowledged, visitor by visitor in that order."""

    asked: list[Asked] = field(default_factory=list)
    ids: list[list[str]] = field(default_factory=list)
    photos: dict[str, str] = field(default_factory=dict)
    feedback: dict[str, int] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """Predictions that clients got."""
        return sum(map(len, self.ids))

    def count(self, outcome: str) -> int:
        """Requests that ended so."""
        return sum(one.outcome == outcome for one in self.asked)

    def kinds(self) -> Counter[str]:
        """How often each kind of request was made."""
        return Counter(one.kind for one in self.asked)

    def latencies(self, begin: float, end: float) -> list[float]:
        """Milliseconds of the requests that were answered within some time, sorted."""
        return sorted(
            (one.ended - one.begun) * 1000
            for one in self.asked
            if one.outcome == "right" and begin <= one.ended <= end
        )


@dataclass(frozen=True)
class Audit:
    """How many acknowledged predictions have no row, more than one, or came in out of turn.

    A visitor asks again once it has its answer: its rows are in turn if they came in as it
    asked for them.
    """

    lost: int
    twice: int
    disordered: int


def audit(acknowledged: Sequence[Sequence[str]], rows: Sequence[str]) -> Audit:
    """Compare ids, visitor by visitor, with those of all rows in the order of their insertion."""
    places = {one: place for place, one in enumerate(rows)}
    wanted = {one for ids in acknowledged for one in ids}
    counts = Counter(one for one in rows if one in wanted)
    kept = [[places[one] for one in ids if one in places] for ids in acknowledged]
    return Audit(
        lost=len(wanted - places.keys()),
        twice=sum(1 for count in counts.values() if count > 1),
        disordered=sum(1 for mine in kept for one, two in pairwise(mine) if one > two),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of sorted values does not exceed; NaN where there are none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")
