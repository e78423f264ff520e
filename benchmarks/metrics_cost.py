"""What it costs the service to count, and to be asked for its counts once a second.

    python benchmarks/metrics_cost.py                 ten rounds on a sample of 6,000 products
    python benchmarks/metrics_cost.py --quick         two short rounds, for a look

Two services run from the beginning, alike but for RAKUTEN_SERVE_METRICS=off, each with its store.
In every round each is loaded twice, one before and after the other, so that what slows the machine
for a while slows both; products are all different. The one that counts is scraped meanwhile as
Prometheus does it. The cost of a round is the share of requests a second that it has less. Ends
with 1 where the upper bound is over 8 %.
"""

import argparse
import math
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from promises import conclude
from scipy.stats import t as student
from serving_shop import Contender, make_project, service, write_bodies

MOST_COST = 0.08
CONNECTIONS = 16
SCRAPE_SECONDS = 1.0
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@dataclass(frozen=True)
class Turn:
    """What one service did in some time; ``cpu`` in seconds, ``p99`` in milliseconds."""

    requests: int
    seconds: float
    cpu: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor time of a request in milliseconds."""
        return self.cpu / self.requests * 1000

    def __add__(self, other: "Turn") -> "Turn":
        return Turn(
            self.requests + other.requests,
            self.seconds + other.seconds,
            self.cpu + other.cpu,
            max(self.p99, other.p99),
        )


@dataclass(frozen=True)
class Round:
    """Both services, one after the other."""

    on: Turn
    off: Turn

    @property
    def cost(self) -> float:
        """Share of the throughput that counting takes."""
        return 1 - self.on.rate / self.off.rate


@contextmanager
def scraped(contender: Contender, sizes: list[int]) -> Iterator[None]:
    """Ask for the metrics once a second until the block ends, and note the sizes of the answers.

    Raises:
        SystemExit: an answer was none.
    """
    failed: list[OSError] = []
    done = threading.Event()

    def scrape() -> None:
        url = f"{contender.base}/metrics"
        while not done.is_set():
            request = urllib.request.Request(url, headers={"Accept": ACCEPT})  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - ours
                    sizes.append(len(answer.read()))
            except OSError as error:
                failed.append(error)
                return
            done.wait(SCRAPE_SECONDS)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failed:
        raise SystemExit(f"{contender.base}/metrics failed: {failed[0]}")


class Pair:
    """The two services, and which products come next."""

    def __init__(self, on: Contender, off: Contender, bodies: Path, seconds: float) -> None:
        self._on, self._off, self._bodies, self._seconds = on, off, bodies, seconds
        self._sent = 0
        self.scrapes: list[int] = []

    def warm_up(self) -> None:
        """Load each for a second."""
        for contender in (self._on, self._off):
            contender.load(self._bodies, connections=CONNECTIONS, seconds=1)

    def round(self, number: int) -> Round:
        """Load both, in turns which of them first and last."""
        outer, inner = (self._on, self._off) if number % 2 else (self._off, self._on)
        first, second, third, last = map(self._turn, (outer, inner, inner, outer))
        ends, middle = first + last, second + third
        return Round(ends, middle) if outer is self._on else Round(middle, ends)

    def _turn(self, contender: Contender) -> Turn:
        before = contender.process.cpu_seconds()
        with ExitStack() as stack:
            if contender is self._on:
                stack.enter_context(scraped(contender, self.scrapes))
            report = contender.load(
                self._bodies, connections=CONNECTIONS, seconds=self._seconds, skip=self._sent
            )
        cpu = contender.process.cpu_seconds() - before
        self._sent += report.requests
        return Turn(report.requests, report.seconds, cpu, report.p99)


def upper_bound(costs: Sequence[float]) -> float:
    """One-sided upper 95 % bound of the mean cost, by Student's t over the rounds."""
    spread = stdev(costs) / math.sqrt(len(costs))
    return mean(costs) + float(student.ppf(0.95, len(costs) - 1)) * spread


def measure(project: Path, folder: Path, rounds: int, seconds: float) -> tuple[str, list[str]]:
    """The report, and what was promised and not kept."""
    bodies = write_bodies(project, folder, photos=1)["text"]
    with ExitStack() as stack:
        on = stack.enter_context(service(project, folder / "on"))
        off = stack.enter_context(
            service(project, folder / "off", {"RAKUTEN_SERVE_METRICS": "off"})
        )
        pair = Pair(on, off, bodies, seconds)
        pair.warm_up()
        found = []
        for number in range(rounds):
            found.append(pair.round(number))
            print(f"round {number + 1} of {rounds}: {found[-1].cost:+.1%}", flush=True)
            time.sleep(0.5)  # what one wrote last is on disk before the other is measured
    bound = upper_bound([one.cost for one in found])
    broken = (
        [] if bound <= MOST_COST else [f"counting costs up to {bound:.1%}, over {MOST_COST:.0%}"]
    )
    return report(found, bound, seconds, pair.scrapes), broken


def report(found: Sequence[Round], bound: float, seconds: float, scrapes: Sequence[int]) -> str:
    """Every round, and what follows from them."""
    lines = [
        "| round | requests/s with metrics | without | ratio | CPU ms a request with | without |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for number, one in enumerate(found, 1):
        lines.append(
            f"| {number} | {one.on.rate:,.0f} | {one.off.rate:,.0f} "
            f"| {one.on.rate / one.off.rate:.3f} | {one.on.cpu_ms:.3f} | {one.off.cpu_ms:.3f} |"
        )
    on, off = (mean(cpu) for cpu in zip(*((r.on.cpu_ms, r.off.cpu_ms) for r in found), strict=True))
    p99_on, p99_off = mean(one.on.p99 for one in found), mean(one.off.p99 for one in found)
    size = mean(scrapes) / 1024
    return (
        f"{len(found)} rounds of twice {seconds:g} s for each, {CONNECTIONS} connections, scraped "
        f"once a second ({len(scrapes)} times, {size:.0f} KiB each).\n\n"
        + "\n".join(lines)
        + "\n\n"
        f"Throughput: {mean(one.cost for one in found):+.1%} in the mean, upper 95 % bound "
        f"{bound:+.1%} (wanted: at most {MOST_COST:.0%}). CPU time of a request: {on:.3f} ms with "
        f"metrics, {off:.3f} ms without ({on / off - 1:+.1%}). p99: {p99_on:.1f} ms with, "
        f"{p99_off:.1f} ms without."
    )


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--catalog", type=Path, help="catalogue folder; none: a sample")
    parser.add_argument("--rows", type=int, default=6000, help="products of the sample")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--quick", action="store_true", help="two rounds of 1.5 s")
    parser.add_argument("--project", type=Path, help="make the project here, or go on with it")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    rounds, seconds = (2, 1.5) if arguments.quick else (arguments.rounds, arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="metrics-cost-") as name:
        folder = Path(name)
        project = arguments.project.resolve() if arguments.project else folder / "project"
        make_project(project, arguments.catalog, arguments.rows)
        body, broken = measure(project, folder, rounds, seconds)
    which = f" --catalog {arguments.catalog.name}" if arguments.catalog else ""
    command = f"python benchmarks/metrics_cost.py{which}"
    conclude("What metrics cost", command, body, broken, arguments.output)


if __name__ == "__main__":
    main()
