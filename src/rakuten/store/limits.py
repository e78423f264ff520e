"""Rate limits per key: a bucket of tokens in memory, or shared by processes in a table."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa

from rakuten.errors import StoreError
from rakuten.logs import get_logger
from rakuten.store.database import Database
from rakuten.store.predictions import insert_for
from rakuten.store.tables import rate_limits

log = get_logger(__name__)

_AWAY_SECONDS: Final = 5.0
_ASK_SECONDS: Final = 1.0
_MOST_BUCKETS: Final = 10_000
_NOTHING: Final = 1e-9
"""What a sum of fractions may be short of a whole token."""


class Limiter(Protocol):
    """Says whether a key may go on."""

    def take(self, key_id: str, tokens: float = 1.0) -> float:
        """Take tokens; 0.0 where the key had them, else the seconds until it will."""


@dataclass
class _Bucket:
    tokens: float
    updated_at: float

    def refill(self, rate: float, burst: float, now: float) -> None:
        passed = max(0.0, now - self.updated_at)  # clocks of machines differ
        self.tokens = min(burst, self.tokens + passed * rate)
        self.updated_at = max(self.updated_at, now)


class MemoryLimiter:
    """For one process.

    Args:
        rate: tokens that come back in a second.
        burst: tokens of a full bucket.
        clock: seconds.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key_id: str, tokens: float = 1.0) -> float:
        """Take tokens; 0.0 where the key had them, else the seconds until it will.

        More tokens than a bucket holds are asked of a full one, which then owes the rest.
        """
        now = self._clock()
        with self._lock:
            bucket = self._buckets.pop(key_id, None) or _Bucket(self._burst, now)
            self._buckets[key_id] = bucket  # now the newest
            if len(self._buckets) > _MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
            bucket.refill(self._rate, self._burst, now)
            wanted = min(tokens, self._burst)
            if bucket.tokens >= wanted - _NOTHING:
                bucket.tokens -= tokens
                return 0.0
            return (wanted - bucket.tokens) / self._rate


class SharedLimiter:
    """For several processes: each takes tokens from the table by the handful and spends them.

    A handful is a twentieth of a bucket, so that most requests ask nobody; what a process did
    not spend within a second is lost. While the database is away, each process counts alone.
    """

    def __init__(self, database: Database, rate: float, burst: float) -> None:
        self._database = database
        self._rate = rate
        self._burst = burst
        self._handful = max(1.0, burst / 20)
        self._alone = MemoryLimiter(rate, burst)
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._hands: dict[str, _Bucket] = {}

    def take(self, key_id: str, tokens: float = 1.0) -> float:
        """Take tokens; 0.0 where the key had them, else the seconds until it will.

        Now and then this waits for the database, for a second at most.
        """
        if self._spend(key_id, tokens):
            return 0.0
        if time.monotonic() < self._away_until:
            return self._alone.take(key_id, tokens)
        try:
            given, wait = self._ask(key_id, max(tokens, self._handful), tokens)
        except StoreError as error:
            log.warning("rate limits count alone", extra={"reason": error.message})
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return self._alone.take(key_id, tokens)
        if given > tokens:
            with self._lock:
                hand = self._hands.pop(key_id, None) or _Bucket(0.0, 0.0)
                hand.tokens += given - tokens
                hand.updated_at = time.monotonic()
                self._hands[key_id] = hand
                if len(self._hands) > _MOST_BUCKETS:
                    del self._hands[next(iter(self._hands))]
        return wait

    def _spend(self, key_id: str, tokens: float) -> bool:
        with self._lock:
            hand = self._hands.get(key_id)
            if hand is None:
                return False
            if time.monotonic() - hand.updated_at > 1.0:
                del self._hands[key_id]
                return False
            if hand.tokens < tokens:
                return False
            hand.tokens -= tokens
            return True

    def _ask(self, key_id: str, wanted: float, needed: float) -> tuple[float, float]:
        """Take up to ``wanted`` tokens from the table, at least ``needed`` or none.

        Returns:
            Tokens taken, and 0.0 or the seconds until there will be enough.
        """
        now = time.time()
        ours = rate_limits.c.key_id == key_id
        with self._database.write(_ASK_SECONDS) as connection:
            full = {"key_id": key_id, "tokens": self._burst, "updated_at": now}
            insert = insert_for(connection, rate_limits).on_conflict_do_nothing()
            connection.execute(insert, full)
            columns = sa.select(rate_limits.c.tokens, rate_limits.c.updated_at)
            row = connection.execute(columns.where(ours).with_for_update()).one()
            bucket = _Bucket(row.tokens, row.updated_at)
            bucket.refill(self._rate, self._burst, now)
            least = min(needed, self._burst)
            if bucket.tokens < least - _NOTHING:
                return 0.0, (least - bucket.tokens) / self._rate
            given = max(needed, min(wanted, bucket.tokens))
            connection.execute(
                sa.update(rate_limits)
                .where(ours)
                .values(tokens=bucket.tokens - given, updated_at=bucket.updated_at)
            )
        return given, 0.0
