"""A service on PostgreSQL under load, and the comparison of what it promised with its tables."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledger import Ledger, Material, audit
from mixed_load import MixedLoad
from serving_shop import Contender

from tests.servers.postgres import Postgres  # isort: skip - serving_shop shows the way

MIX = {"text": 6, "photo": 1, "batch": 1, "feedback": 2}
REPLAY_SECONDS = 180.0
SPOOL = ".rakuten/spool"
SMALL_DISK_KIB = 1024
ROWS = "SELECT prediction_id FROM arrivals JOIN predictions USING (prediction_id) ORDER BY n"

_NOTE_ARRIVALS = """
CREATE TABLE arrivals (n bigserial PRIMARY KEY, prediction_id uuid);
CREATE FUNCTION note_arrival() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO arrivals (prediction_id) VALUES (NEW.prediction_id); RETURN NULL; END';
CREATE TRIGGER arrival AFTER INSERT ON predictions FOR EACH ROW EXECUTE FUNCTION note_arrival();
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_sleep(TG_ARGV[0]::float); RETURN NULL; END';
"""


@dataclass
class Run:
    """A service on a database, and what its cases brought."""

    contender: Contender
    cluster: Postgres
    database: str
    root: Path
    material: Material
    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.query(_NOTE_ARRIVALS)

    def load(self) -> MixedLoad:
        """The load of every case."""
        return MixedLoad(self.contender, self.material, MIX)

    def query(self, sql: str) -> list[str]:
        """Rows of a statement."""
        return self.cluster.query(self.database, sql)

    def spooled(self) -> int:
        """Records in the spool, by its files."""
        return sum(path.read_bytes().count(b"\n") for path in self.spool.glob("*.spool"))

    @property
    def spool(self) -> Path:
        """The folder of the spool."""
        return self.root / SPOOL

    def wait_for_replay(self) -> float:
        """Wait until nothing is spooled; returns how long that took."""
        return wait_until(self._is_replayed, REPLAY_SECONDS, "the spool is not replayed")

    def _is_replayed(self) -> bool:
        with urllib.request.urlopen(f"{self.contender.base}/readyz", timeout=10) as answer:  # noqa: S310
            found = json.load(answer)["store"]
        return bool(found["database_up"]) and found["spooled"] == 0

    def report(
        self, case: str, ledger: Ledger, failed: int, note: str, *, ordered: bool = True
    ) -> None:
        """Compare a ledger with the tables; one line of the table of cases."""
        found = audit(ledger.ids, self.query(ROWS))
        photos = set(self.query("SELECT prediction_id, image_sha256 FROM predictions"))
        media = self.root / ".rakuten/media"
        said = dict(
            row.split("|") for row in self.query("SELECT prediction_id, prdtypecode FROM feedback")
        )
        unpictured = [
            one
            for one, sha256 in ledger.photos.items()
            if f"{one}|{sha256}" not in photos or not (media / sha256[:2] / sha256).is_file()
        ]
        unsaid = [one for one, code in ledger.feedback.items() if said.get(one) != str(code)]
        left = sorted(path.name for path in self.spool.iterdir())
        lost = f"{found.lost} + {len(unsaid)} + {len(unpictured)}"
        cells = [case, f"{ledger.acknowledged:,} + {len(ledger.feedback):,}", str(failed), lost]
        cells += [str(found.twice), str(found.disordered) if ordered else "–", note]
        self.lines.append(f"| {' | '.join(cells)} |")
        print(self.lines[-1], flush=True)
        self.require(ledger.acknowledged > 0, f"{case}: nothing was acknowledged")
        self.require(not failed, f"{case}: {failed} requests failed")
        self.require(not found.lost, f"{case}: {found.lost} predictions lost")
        self.require(not unsaid, f"{case}: {len(unsaid)} corrections lost")
        self.require(not unpictured, f"{case}: {len(unpictured)} photos lost")
        self.require(not found.twice, f"{case}: {found.twice} predictions twice")
        if ordered:
            self.require(not found.disordered, f"{case}: {found.disordered} out of order")
        self.require(not left, f"{case}: the spool holds {left}")
        self.broken += [f"{case}: {what}" for what in dict.fromkeys(ledger.wrong[:5])]

    def require(self, kept: bool, promise: str) -> None:
        """Write a promise down that is not kept."""
        if not kept:
            self.broken.append(promise)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for something; returns how long it took.

    Raises:
        SystemExit: it did not come about in time.
    """
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"After {seconds:g} s {what}.")
        time.sleep(0.05)
    return time.monotonic() - begun


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own at a folder; false where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_KIB}k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def failed_requests(ledger: Ledger, down: float = 0.0, up: float = 0.0) -> tuple[int, int]:
    """Requests without the right answer, and those of them that met no service that was ready.

    Args:
        ledger: what came back.
        down: when the service was killed, by ``time.monotonic``.
        up: when the next one was ready.
    """
    bad = [one for one in ledger.asked if one.outcome != "right"]
    early = [one for one in bad if one.outcome != "wrong" and one.begun <= up and one.ended >= down]
    return len(bad) - len(early), len(early)
