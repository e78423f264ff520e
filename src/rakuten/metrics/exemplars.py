"""Which observations are shown by their ids: a few of each kind, whatever the load."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

EVERY_SECONDS: Final = 1.0


class ExemplarLimit:
    """Lets one observation of each bucket pass a second, so that slow ones are among them.

    An exemplar takes longer to note down than all the rest of an observation.

    Args:
        bounds: upper bounds of the histogram's buckets, rising.
        every: seconds between two exemplars of a bucket.
    """

    def __init__(self, bounds: Sequence[float], every: float = EVERY_SECONDS) -> None:
        self._bounds, self._every = bounds, every
        self._next: dict[tuple[str, int], float] = {}

    def due(self, series: str, value: float) -> bool:
        """Whether this observation of a series is to have an exemplar."""
        bucket = series, bisect_left(self._bounds, value)
        now = time.monotonic()
        if now < self._next.get(bucket, 0.0):
            return False
        self._next[bucket] = now + self._every
        return True
