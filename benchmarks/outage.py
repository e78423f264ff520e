"""PostgreSQL goes away, the service is killed, the disk is full: what was acknowledged is kept.

    python benchmarks/outage.py                  on a sample, 30 s without the database
    python benchmarks/outage.py --seconds 5      shorter, for a look

`rakuten serve` and PostgreSQL (fsync and synchronous_commit on) are real processes on loopback.
Sixteen clients ask as fast as they are answered: texts, texts with photos, batches, feedback.
Each writes down what it was given and compares that with the tables afterwards. A trigger notes
in which order rows come in.
"""

import argparse
import json
import signal
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from ledger import Ledger, audit, percentile, read_material
from outage_run import ROWS, SMALL_DISK_KIB, SPOOL, Run, failed_requests, small_disk, wait_until
from promises import conclude
from serving_shop import make_project, service

from tests.servers.postgres import OWNER, postgres  # isort: skip - serving_shop shows the way

BEFORE_SECONDS = 3.0
COMMIT_SECONDS = 1.5
_SLOW_INSERTS = (
    "CREATE TRIGGER slow AFTER INSERT ON predictions FOR EACH STATEMENT EXECUTE FUNCTION hold(0.2)"
)
_SLOW_COMMITS = (
    "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON predictions DEFERRABLE INITIALLY DEFERRED "
    f"FOR EACH ROW EXECUTE FUNCTION hold({COMMIT_SECONDS})"
)


def outage(run: Run, seconds: float) -> None:
    """The database is gone for a while."""
    with run.load() as load:
        time.sleep(BEFORE_SECONDS)
        run.cluster.process.stop(signal.SIGQUIT)
        gone = time.monotonic()
        time.sleep(seconds)
        back = time.monotonic()
        run.cluster.process.start()
        took = run.wait_for_replay()
        time.sleep(1)
    ledger = load.ledger
    during, all_of_it = ledger.latencies(gone, back), ledger.latencies(gone, time.monotonic())
    run.require(len(during) > 0, "nothing was answered while the database was away")
    note = f"{len(during):,} requests answered meanwhile, p99 {percentile(during, 0.99):.0f} ms; "
    note += f"longest of all {all_of_it[-1]:,.0f} ms; replayed after {took:.1f} s"
    run.report(f"PostgreSQL away for {seconds:g} s", ledger, failed_requests(ledger)[0], note)


def outage_with_kill(run: Run, seconds: float) -> None:
    """The same, and the service is killed while it replays."""
    run.query(_SLOW_INSERTS)  # so that the replay has a middle
    with run.load() as load:
        time.sleep(BEFORE_SECONDS)
        run.cluster.process.stop(signal.SIGQUIT)
        time.sleep(seconds)
        run.cluster.process.start()
        before = run.query(ROWS)
        wait_until(lambda: len(run.query(ROWS)) > len(before), 60, "no replay began")
        killed = time.monotonic()
        run.contender.process.stop(signal.SIGKILL)
        left, replayed = run.spooled(), len(run.query(ROWS)) - len(before)
        run.query("DROP TRIGGER slow ON predictions")
        run.contender.process.start()
        ready = time.monotonic()
        run.wait_for_replay()
        time.sleep(1)
    ledger = load.ledger
    case = f"the same for {seconds:g} s, service killed in the replay"
    run.require(left > 0, f"{case}: the replay was over before the kill")
    note = f"killed with {replayed:,} rows in and {left:,} records in the spool; "
    failed, met_none = failed_requests(ledger, killed, ready)
    note += f"ready again after {ready - killed:.1f} s ({met_none} requests met none)"
    run.report(case, ledger, failed, note)


def kill(run: Run) -> None:
    """The service is killed in the middle of load."""
    with run.load() as load:
        time.sleep(BEFORE_SECONDS)
        killed = time.monotonic()
        run.contender.process.stop(signal.SIGKILL)
    ledger = load.ledger
    at_once = audit(ledger.ids, run.query(ROWS)).lost
    run.contender.process.start()
    run.wait_for_replay()
    note = f"missing before the next start: {at_once}"
    failed, _ = failed_requests(ledger, killed, time.monotonic())
    run.report("service killed with -9 under load", ledger, failed, note)


def slow_commit(run: Run) -> None:
    """The answer waits for the commit."""
    run.query(_SLOW_COMMITS)
    ids: list[str] = []

    def ask() -> None:
        body = json.dumps({"designation": "Console de jeux"}).encode()
        name, _, value = run.contender.header.partition(": ")
        headers = {"content-type": "application/json", name: value}
        request = urllib.request.Request(run.contender.url, body, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            ids.append(json.load(answer)["prediction_id"])

    count = "SELECT count(*) FROM predictions"
    before = run.query(count)
    client = threading.Thread(target=ask)
    begun = time.monotonic()
    client.start()
    time.sleep(COMMIT_SECONDS / 2)
    early = bool(ids) or run.query(count) != before
    client.join()
    took = time.monotonic() - begun
    run.query("DROP TRIGGER slow ON predictions")
    case = f"a commit that takes {COMMIT_SECONDS} s"
    run.require(not early and took >= COMMIT_SECONDS, f"{case}: the answer came before it")
    ledger = Ledger(ids=[ids])
    run.report(case, ledger, 1 - len(ids), f"answered after {took:.2f} s, no row before")


def full_disk(run: Run, how: str) -> None:
    """The spool's disk is full while the database is away."""
    with run.load() as load:
        time.sleep(BEFORE_SECONDS)
        run.cluster.process.stop(signal.SIGQUIT)
        refused = wait_until(lambda: load.ledger.count("refused") > 50, 120, "nothing was refused")
        time.sleep(2)
        run.cluster.process.start()
        run.wait_for_replay()
        well = time.monotonic()
        time.sleep(2)
    ledger = load.ledger
    late = sum(1 for one in ledger.asked if one.begun > well and one.outcome == "refused")
    after = len(ledger.latencies(well, time.monotonic()))
    case = "spool disk full, PostgreSQL away"
    run.require(after > 0 and not late, f"{case}: refused after it was back")
    note = f"{how} full after {refused:.1f} s; {ledger.count('refused'):,} times 503 with "
    note += f"Retry-After, {after:,} answers once it was back"
    failed = ledger.count("silent") + ledger.count("wrong")
    # What finds no room goes to the database beside the replay: that is documented.
    run.report(case, ledger, failed, note, ordered=False)


def run_all(project: Path, folder: Path, seconds: float) -> tuple[str, list[str]]:
    """Every case; returns the table and the broken promises."""
    material = read_material(project, 100)
    runs = []
    with ExitStack() as stack:
        cluster = stack.enter_context(postgres(fsync=True))
        mounted = stack.enter_context(small_disk(folder / "full" / SPOOL))
        for name in ("away", "full"):
            cluster.make_database(name)
            url = f"postgresql://{OWNER}:{quote(cluster.password, safe='')}"
            settings = {"DATABASE_URL": f"{url}@127.0.0.1:{cluster.port}/{name}"}
            if name == "full" and not mounted:
                settings["RAKUTEN_SERVE_SPOOL_MIB"] = str(SMALL_DISK_KIB / 1024)
            contender = stack.enter_context(
                service(project, folder / name, settings, scope="admin")
            )
            runs.append(Run(contender, cluster, name, folder / name, material))
        away, full = runs
        outage(away, seconds)
        outage_with_kill(away, seconds)
        kill(away)
        slow_commit(away)
        how = f"{SMALL_DISK_KIB} KiB" + (" of tmpfs" if mounted else " allowed, none mounted,")
        full_disk(full, how)
        shown = cluster.query(
            "away",
            "SELECT string_agg(name || ' ' || setting, ', ') FROM pg_settings "
            "WHERE name IN ('fsync', 'synchronous_commit', 'server_version')",
        )
    head = [
        f"PostgreSQL: {shown[0]}.\n",
        "| case | acknowledged: predictions + feedback | failed "
        "| lost: predictions + feedback + photos | twice | out of order | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    return "\n".join([*head, *away.lines, *full.lines]), away.broken + full.broken


def main() -> None:
    """Run, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="without the database")
    parser.add_argument("--rows", type=int, default=1500, help="products of the sample")
    parser.add_argument("--project", type=Path, help="make the project here, or go on with it")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outage-") as name:
        project = arguments.project.resolve() if arguments.project else Path(name) / "project"
        make_project(project, None, arguments.rows)
        table, broken = run_all(project, Path(name), arguments.seconds)
    command = f"python benchmarks/outage.py --seconds {arguments.seconds:g}"
    conclude("Outages", command, table, broken, arguments.output)


if __name__ == "__main__":
    main()
