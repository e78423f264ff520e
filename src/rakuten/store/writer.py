"""Durable, in groups: one thread commits whatever waits, and the spool takes it meanwhile."""

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from rakuten.errors import RakutenError, RecordRefusedError, StoreError, StoreFullError
from rakuten.logs import get_logger
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.inbox import MAX_WAITING, Entry, Inbox, Kept, fail, records_of, resolve
from rakuten.store.predictions import insert_alone, insert_predictions
from rakuten.store.records import Record, feedback_of, predictions_of
from rakuten.store.retention import forget_erased
from rakuten.store.spool import BATCH, Spool

log = get_logger(__name__)

_GROUP: Final = 1_000
_TURN_GROUP: Final = BATCH // 2
"""While new records and replayed ones take turns, so that what waits becomes less."""
_TURN_SECONDS: Final = 0.001
COMMIT_SECONDS: Final = 5.0
"""A commit that takes longer counts as lost; its records go to the spool, then in once."""
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0
_ORPHANS_SECONDS: Final = 5.0


@dataclass(frozen=True)
class WriterState:
    """How things stand: records in the spool, and records that no disk has yet."""

    database_up: bool
    spooled: int
    waiting: int


class Writer:
    """Takes records from many threads; a future resolves once its records are on disk.

    While the database answers, that is after the COMMIT; there is no delay in it: a group is
    what came while the one before was being committed. When it does not, records are synced to
    the spool at once, until the database is back and the spool has been replayed. Records are
    written by their id, so that what was committed and spooled is still there once.

    Args:
        database: with its tables.
        spool: where records wait.
        max_waiting: records that may wait for the disk; more are refused.
        commit_seconds: how long a group may wait for the database.
    """

    def __init__(
        self,
        database: Database,
        spool: Spool,
        *,
        max_waiting: int = MAX_WAITING,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self._database = database
        self._spool = spool
        self._commit_seconds = commit_seconds
        self._inbox = Inbox(max_waiting)
        self._stopped = threading.Event()
        self._direct = True
        self._database_up = True
        self._crowded = False
        self._order = threading.Lock()  # held while a group is kept, and for the end of a replay
        self._wake = threading.Event()
        self._threads = [
            threading.Thread(target=self._write_groups, name="store-writer", daemon=True),
            threading.Thread(target=self._bring_back, name="store-replay", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads; what an earlier process left in the spool goes first."""
        self._direct = self._spool.is_empty()
        if not self._direct:
            self._wake.set()
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Take no more records, and wait until those that were taken are on disk.

        Returns:
            Whether all of them are; the futures of the others have failed.
        """
        end = time.monotonic() + timeout
        self._inbox.close()
        self._stopped.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))
        left = self._inbox.empty()
        fail(left, StoreError("The store was stopped before a record could be kept."))
        if not any(thread.is_alive() for thread in self._threads):
            self._spool.rotate()
        return not left and not self._threads[0].is_alive()

    def submit(self, record: Record) -> "Future[Kept]":
        """Keep a record; see :meth:`submit_many`."""
        return self.submit_many([record])

    def submit_many(self, records: Sequence[Record]) -> "Future[Kept]":
        """Keep records, all in one transaction.

        Returns:
            Resolves to where they are once they are on disk. It fails with StoreFullError where
            they can be kept nowhere, with RecordRefusedError where one of them never can, and
            with StoreError once the writer is stopped. It cannot be cancelled.
        """
        future: Future[Kept] = Future()
        future.set_running_or_notify_cancel()
        self.submit_each([Entry(records, future)])
        return future

    def submit_each(self, entries: Sequence[Entry]) -> None:
        """Keep many entries, each as :meth:`submit_many` does; the thread is told once."""
        self._inbox.put(entries)

    def state(self) -> WriterState:
        """How things stand now; asks nobody."""
        return WriterState(self._database_up, self._spool.waiting, self._inbox.waiting)

    # --- keeping ---------------------------------------------------------------------------

    def _write_groups(self) -> None:
        while group := self._inbox.take(_TURN_GROUP if self._crowded else _GROUP):
            try:
                with self._order:
                    self._keep(group)
            except Exception as error:  # the thread must outlive whatever one group holds
                log.exception("a group of records could not be kept")
                fail(group, StoreError(f"Records could not be kept: {error}."))

    def _keep(self, group: list[Entry]) -> None:
        if not (self._direct and self._commit(group)):
            self._set_aside(group)

    def _commit(self, group: list[Entry]) -> bool:
        """Commit a group; false where the database is away."""
        try:
            self._write(records_of(group))
        except RecordRefusedError as error:
            if len(group) == 1:
                fail(group, error)
            else:  # find the one at fault; the others are not to blame
                for entry in group:
                    self._keep([entry])
            return True
        except StoreError as error:
            if self._direct:
                log.warning("the database is away; records are spooled", extra=_why(error))
            self._direct = self._database_up = False
            self._wake.set()
            return False
        self._database_up = True
        resolve(group, "stored")
        return True

    def _write(self, records: list[Record]) -> None:
        answers, said = predictions_of(records), feedback_of(records)
        if not said:
            insert_alone(self._database, answers, self._commit_seconds)
        else:
            with self._database.write(self._commit_seconds) as connection:
                insert_predictions(connection, answers)
                put_feedback(connection, said)

    def _set_aside(self, group: list[Entry]) -> None:
        try:
            self._spool.append(records_of(group))
        except RecordRefusedError as error:
            if len(group) == 1:
                fail(group, error)
            else:
                for entry in group:
                    self._set_aside([entry])
        except StoreFullError as error:
            # Back, but not caught up yet: a record has its id, so its place does not matter.
            if not (self._database_up and self._commit(group)):
                fail(group, error)
        else:
            resolve(group, "spooled")

    # --- coming back -----------------------------------------------------------------------

    def _bring_back(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            self._wake.wait(_ORPHANS_SECONDS if self._direct else pause)
            self._wake.clear()
            if self._stopped.is_set() or (self._direct and self._spool.is_empty()):
                continue
            try:
                self._database.ping()
                self._database_up = True
                self._drain()
                pause = _FIRST_PAUSE
            except StoreError as error:
                if self._stopped.is_set():
                    return
                if self._database_up:
                    log.warning("the spool is not replayed yet", extra=_why(error))
                self._database_up = False
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Exception:  # the thread must outlive whatever a segment holds
                log.exception("the spool could not be replayed")
                self._stopped.wait(_LONGEST_PAUSE)

    def _drain(self) -> None:
        """Replay until little is left, then the rest while no group is kept.

        Where records come in faster than the database takes them, a replay in the background
        would never end: then new ones wait for their turn between its batches.
        """
        replayed, before = 0, math.inf
        try:
            while not self._stopped.is_set():
                self._spool.rotate()
                count = self._spool.replay(self._apply_in_turn if self._crowded else self._apply)
                replayed += count
                if count < BATCH:
                    break
                self._crowded = self._crowded or count > before / 2
                before = count
            with self._order:
                self._spool.rotate()
                replayed += self._spool.replay(self._apply)
                self._direct = self._direct or self._spool.is_empty()
        finally:
            self._crowded = False
        log.info("the spool is replayed", extra={"records": replayed})

    def _apply_in_turn(self, records: list[Record]) -> None:
        with self._order:
            self._apply(records)
        time.sleep(_TURN_SECONDS)  # a lock alone would mostly come back to this thread

    def _apply(self, records: list[Record]) -> None:
        if self._stopped.is_set():
            raise StoreError("The store is being stopped.")
        with self._database.write(self._commit_seconds) as connection:
            insert_predictions(connection, predictions_of(records))
            put_feedback(connection, feedback_of(records))
            forget_erased(connection, [record.prediction_id for record in records])


def _why(error: RakutenError) -> dict[str, str]:
    return {"reason": error.message}
