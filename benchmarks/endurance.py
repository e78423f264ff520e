"""Mixed load for a long time: memory, open files and threads stay flat, and no answer is wrong.

    python benchmarks/endurance.py                 30 minutes, on a sample
    python benchmarks/endurance.py --minutes 3     shorter, for a look

`rakuten serve` runs with its default store, SQLite. Clients send texts, texts with photos, batches
with items that are no good, bad requests, feedback; they read answers and photos, page through the
review queue, claim products, and erase answers. Every answer is checked. /metrics is read every
five seconds, and so is what the kernel says of the process.

Flat means: over the last two thirds, the line of least squares through the memory that is the
process's own (anonymous pages; those of files count or not as other processes come and go) rises by
less than 5 % of the median; and in the last third there are no more than 15 open files and 15
threads (medians) more than in the middle third: five pooled connections have three files each.
"""

import argparse
import sqlite3
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

import numpy as np
from ledger import Ledger, audit, percentile, read_material
from mixed_load import MixedLoad
from promises import conclude
from serving_shop import Contender, make_project, service

MIX = {
    "text": 50,
    "photo": 10,
    "batch": 5,
    "bad": 5,
    "feedback": 10,
    "read": 8,
    "review": 4,
    "claim": 2,
    "erase": 3,
}
EVERY_SECONDS = 5.0
LEAST_SAMPLES = 30
MOST_GROWTH = 0.05
SPARE = 15
_ROWS = "SELECT prediction_id FROM predictions ORDER BY rowid"


@dataclass(frozen=True)
class Sample:
    """A process at one moment: anonymous and resident memory in MiB, open files, threads."""

    at: float
    own: float
    resident: float
    files: int
    threads: int


def sample(contender: Contender) -> Sample:
    """What the kernel says now."""
    folder = contender.process.folder
    lines = (folder / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }
    return Sample(
        at=time.monotonic(),
        own=sizes["Anonymous"] / 1024,
        resident=sizes["Rss"] / 1024,
        files=len(list((folder / "fd").iterdir())),
        threads=len(list((folder / "task").iterdir())),
    )


def watch(contender: Contender, seconds: float) -> list[Sample]:
    """Samples every few seconds, and the metrics read as Prometheus reads them."""
    end, samples = time.monotonic() + seconds, []
    pause = min(EVERY_SECONDS, seconds / LEAST_SAMPLES)
    while (now := time.monotonic()) < end:
        with urllib.request.urlopen(f"{contender.base}/metrics", timeout=30) as answer:  # noqa: S310
            answer.read()
        samples.append(sample(contender))
        time.sleep(max(0.0, min(now + pause, end) - time.monotonic()))
    return samples


def growth(samples: Sequence[Sample]) -> tuple[float, float]:
    """Rise of own memory over the last two thirds as a share of its median, and MiB an hour."""
    last = samples[len(samples) // 3 :]
    slope = float(np.polyfit([one.at for one in last], [one.own for one in last], 1)[0])
    rise = slope * (last[-1].at - last[0].at)
    return rise / median(one.own for one in last), slope * 3600


def is_flat(samples: Sequence[Sample], value: Callable[[Sample], int]) -> bool:
    """Whether the median of the last third is about that of the middle third."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    return median(map(value, last)) <= median(map(value, middle)) + SPARE


def fifths(ledger: Ledger, samples: Sequence[Sample]) -> str:
    """Latencies and memory of the first and the last fifth."""
    begin, end = samples[0].at, samples[-1].at
    step = (end - begin) / 5
    lines = [
        "| | requests | p50 ms | p99 ms | own MiB | resident MiB | files | threads |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, since in (("first fifth", begin), ("last fifth", end - step)):
        found = ledger.latencies(since, since + step)
        within = [one for one in samples if since <= one.at <= since + step]
        own = median(one.own for one in within)
        resident = median(one.resident for one in within)
        files = max(one.files for one in within)
        threads = max(one.threads for one in within)
        lines.append(
            f"| {name} | {len(found):,} | {percentile(found, 0.5):.1f} "
            f"| {percentile(found, 0.99):.1f} | {own:.1f} | {resident:.1f} | {files} | {threads} |"
        )
    return "\n".join(lines)


def report(
    ledger: Ledger, samples: Sequence[Sample], rows: Sequence[str], most_growth: float
) -> tuple[str, list[str]]:
    """The tables, and the promises that were broken."""
    share, hourly = growth(samples)
    failed = len(ledger.asked) - ledger.count("right")
    found = audit(ledger.ids, rows)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(ledger.kinds().items()))
    last = samples[len(samples) // 3 :]
    text = (
        f"{fifths(ledger, samples)}\n\nOwn memory over the last two thirds "
        f"({last[-1].at - last[0].at:,.0f} s): {share:+.1%} of its median ({hourly:+.1f} MiB an "
        f"hour).\n\nRequests: {kinds}; {failed} failed, {len(ledger.wrong)} answers were wrong. "
        f"{ledger.acknowledged:,} predictions acknowledged, {found.lost} of them lost."
    )
    broken = [
        (share > most_growth, f"own memory rose by {share:.1%}"),
        (not is_flat(samples, lambda one: one.files), "open files became more"),
        (not is_flat(samples, lambda one: one.threads), "threads became more"),
        (failed > 0, f"{failed} requests failed"),
        (found.lost > 0, f"{found.lost} predictions lost"),
    ]
    return text, [promise for is_so, promise in broken if is_so] + ledger.wrong[:5]


def run_all(
    project: Path, folder: Path, seconds: float, rate: float, most_growth: float
) -> tuple[str, list[str]]:
    """Load, watch, compare."""
    material = read_material(project, 200)
    root = folder / "served"
    with service(project, root, scope="admin") as contender:
        with MixedLoad(contender, material, MIX, rate=rate) as load:
            samples = watch(contender, seconds)
        with closing(sqlite3.connect(root / ".rakuten/predictions.db")) as connection:
            rows = [str(UUID(row[0])) for row in connection.execute(_ROWS)]
    return report(load.ledger, samples, rows, most_growth)


def main() -> None:
    """Run, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=80.0, help="requests a second")
    parser.add_argument("--growth", type=float, default=MOST_GROWTH, help="share that is flat")
    parser.add_argument("--rows", type=int, default=1500, help="products of the sample")
    parser.add_argument("--project", type=Path, help="make the project here, or go on with it")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        project = arguments.project.resolve() if arguments.project else Path(name) / "project"
        make_project(project, None, arguments.rows)
        body, broken = run_all(
            project, Path(name), arguments.minutes * 60, arguments.rate, arguments.growth
        )
    command = f"python benchmarks/endurance.py --minutes {arguments.minutes:g}"
    conclude("Endurance", command, body, broken, arguments.output)


if __name__ == "__main__":
    main()
