"""The service beside what else would answer, on one machine in one run.

    python benchmarks/serving.py                      a sample of 6,000 products
    python benchmarks/serving.py --catalog FOLDER     a catalogue in the challenge's format
    python benchmarks/serving.py --quick              shorter, for a look

Every contender is a real process on loopback with the same catalogue behind it; load comes from
benchmarks/load.py, a process too. All servers run from the beginning and are loaded in turns;
ratios are taken within a round, and the median over the rounds is reported, for other work on
the machine slows all of a round. The service runs as `rakuten serve` does: one process, keys,
metrics, access log, and (unless it says otherwise) its store, with nothing cached; products are
all different. PostgreSQL runs with fsync, as it is installed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from statistics import median
from urllib.parse import quote

from load import Report
from serving_shop import (
    BATCH,
    BENCHMARKS,
    Contender,
    make_project,
    mlflow_serve,
    seconds_to_ready,
    service,
    uvicorn,
    write_bodies,
)

from tests.servers.postgres import OWNER, postgres  # isort: skip - serving_shop shows the way

SERVICE, OFF, POSTGRES = "service", "service, store off", "service, PostgreSQL with fsync"
PEER, NOTHING, MLFLOW = "peers' way", "do-nothing endpoint", "mlflow models serve"
MANY, MOST = 16, 64


@dataclass
class Bench:
    """Contenders, bodies, and what each round brought: what → reports."""

    contenders: dict[str, Contender]
    bodies: dict[str, Path]
    seconds: float
    found: dict[str, list[Report]] = field(default_factory=dict)
    sent: int = 0

    def load(
        self, what: str, contender: str, kind: str, connections: int, path: str = ""
    ) -> Report:
        """One turn of a contender; the next one goes on with other products."""
        report = self.contenders[contender].load(
            self.bodies[kind],
            connections=connections,
            seconds=self.seconds,
            skip=self.sent,
            path=path,
        )
        self.sent += report.requests
        self.found.setdefault(what, []).append(report)
        print(f"  {what}: {report.rate:,.0f}/s, p99 {report.p99:.1f} ms", flush=True)
        return report

    def median(self, what: str, value: Callable[[Report], float]) -> float:
        """Median of a value over the rounds."""
        return median(value(report) for report in self.found[what])

    def ratio(self, what: str, other: str, value: Callable[[Report], float]) -> float:
        """Median of the ratios within rounds."""
        pairs = zip(self.found[what], self.found[other], strict=True)
        return median(value(one) / value(two) for one, two in pairs)


def measure_round(bench: Bench) -> None:
    """Every contender once."""
    for name in (SERVICE, PEER, OFF, NOTHING, POSTGRES):
        bench.load(name, name, "text", MANY)
    bench.load(MLFLOW, MLFLOW, "mlflow", MANY)
    for name in (OFF, POSTGRES):
        bench.load(f"{name}, {MOST}", name, "text", MOST)
    bench.load("single, 1 connection", SERVICE, "text", 1)
    bench.load("batch, 1 connection", SERVICE, "batch", 1, "/batch")
    bench.load("photo, 1", SERVICE, "photo", 1)
    bench.load(f"photo, {MANY}", SERVICE, "photo", MANY)


def bare_loop(model: Path, bodies: Path, seconds: float) -> float:
    """Milliseconds that decoding, encoding and classifying take for a product with a photo."""
    command = [sys.executable, __file__, "--bare", str(model), str(bodies), str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def run_bare_loop(model: Path, bodies: Path, seconds: float) -> float:
    """The loop itself, in this process."""
    import base64

    from rakuten.models.predictor import Predictor, Product

    products = [
        Product(body["designation"], body["description"], base64.b64decode(body["image"]))
        for body in map(json.loads, bodies.read_bytes().splitlines()[:400])
    ]
    predictor, count = Predictor.load(model), 0
    predictor.predict(products[:8])
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        predictor.predict([products[count % len(products)]])
        count += 1
    return (time.perf_counter() - start) / count * 1000


def contender_table(bench: Bench) -> str:
    """Requests/s and latencies of text requests."""
    lines = [
        f"| text at {MANY} connections | requests/s | p50 ms | p95 ms | p99 ms |",
        "|---|---:|---:|---:|---:|",
    ]
    columns = (attrgetter("rate"), attrgetter("p50"), attrgetter("p95"), attrgetter("p99"))
    for name in (SERVICE, OFF, POSTGRES, PEER, NOTHING, MLFLOW):
        rate, *latencies = (bench.median(name, column) for column in columns)
        cells = " | ".join([f"{rate:,.0f}", *(f"{latency:.1f}" for latency in latencies)])
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def ratio_table(bench: Bench, bare: list[float], starts: list[float], mib: float) -> str:
    """What was asked for, and what was found."""
    rate, p99 = attrgetter("rate"), attrgetter("p99")

    def times(value: float) -> str:
        return f"{value:.2f}×"

    photos = [
        median(
            1000 / report.rate / loop
            for report, loop in zip(bench.found[f"photo, {connections}"], bare, strict=True)
        )
        for connections in (1, MANY)
    ]
    batch = bench.ratio("batch, 1 connection", "single, 1 connection", rate) * BATCH
    batch_many = bench.ratio("batch, 1 connection", SERVICE, rate) * BATCH
    cost = 1 - bench.ratio(POSTGRES, OFF, rate)
    cost_most = 1 - bench.ratio(f"{POSTGRES}, {MOST}", f"{OFF}, {MOST}", rate)
    rows = [
        ("requests/s, times the peers' way", times(bench.ratio(SERVICE, PEER, rate)), "≥ 4×"),
        ("p99 beside the peers' way", times(bench.ratio(SERVICE, PEER, p99)), "≤ 0.25×"),
        ("the same, store off", times(bench.ratio(OFF, PEER, rate)), "10×"),
        ("share of a do-nothing endpoint", f"{bench.ratio(SERVICE, NOTHING, rate):.0%}", "≥ 35 %"),
        ("times mlflow models serve", times(bench.ratio(SERVICE, MLFLOW, rate)), "≥ 3×"),
        (f"durable logging on PostgreSQL costs, {MANY} connections", f"{cost:.0%}", "≤ 30 %"),
        (f"the same, {MOST} connections", f"{cost_most:.0%}", "≤ 30 %"),
        (f"products/s in batches of {BATCH}, times single requests on 1 connection",
         times(batch), "≥ 8×"),
        (f"the same, times single requests on {MANY}", times(batch_many), "≥ 3×"),
        ("time of text and photo beside a bare loop, 1 connection", times(photos[0]), "≤ 1.5×"),
        (f"the same, {MANY} connections (time per product)", times(photos[1]), "≤ 1.5×"),
        ("start to ready from the cache", f"{median(starts):.1f} s", "< 4 s"),
        ("resident memory after all this", f"{mib:.0f} MiB", "< 700 MB"),
    ]  # fmt: skip
    lines = ["| what | found | wanted |", "|---|---:|---:|"]
    return "\n".join([*lines, *(f"| {what} | {found} | {aim} |" for what, found, aim in rows)])


def compare(project: Path, folder: Path, rounds: int, seconds: float) -> str:
    """Start every contender, load them in turns, and return the report."""
    bodies = write_bodies(project, folder, photos=400 if rounds < 3 else 1500)
    peer = folder / "peer"
    subprocess.run(
        [sys.executable, str(BENCHMARKS / "peer_app.py"), str(project / "data/raw"), str(peer)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with ExitStack() as stack:
        database = stack.enter_context(postgres(fsync=True))
        database.make_database("serving")
        url = f"postgresql://{OWNER}:{quote(database.password, safe='')}"
        url += f"@127.0.0.1:{database.port}/serving"
        enter = stack.enter_context
        contenders = {
            SERVICE: enter(service(project, folder / "on")),
            OFF: enter(service(project, folder / "off", {"RAKUTEN_SERVE_STORE": "off"})),
            POSTGRES: enter(service(project, folder / "postgres", {"DATABASE_URL": url})),
            PEER: enter(uvicorn("peer_app:app", folder, {"PEER_FOLDER": str(peer)})),
            NOTHING: enter(uvicorn("nothing_app:app", folder, {})),
            MLFLOW: enter(mlflow_serve(project, folder)),
        }
        bench = Bench(contenders, bodies, seconds)
        for name, kind in dict.fromkeys(contenders, "text").items():
            contenders[name].load(
                bodies["mlflow" if name == MLFLOW else kind], connections=MANY, seconds=1
            )
        bare = []
        for number in range(1, rounds + 1):
            print(f"round {number} of {rounds}", flush=True)
            measure_round(bench)
            bare.append(bare_loop(project / "models/classifier", bodies["photo"], seconds))
            print(f"  bare loop: {bare[-1]:.2f} ms", flush=True)
        mib = contenders[SERVICE].process.resident_mib()
        starts = [seconds_to_ready(contenders[SERVICE]) for _ in range(3)]
    distinct = len(bodies["text"].read_bytes().splitlines())
    ceiling = json.loads(
        subprocess.run(
            [sys.executable, str(BENCHMARKS / "load.py"), "--ceiling", "--seconds", "2"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )["rate"]
    return (
        f"{distinct:,} distinct products, {rounds} rounds of {seconds:g} s each; medians. The load "
        f"generator itself reaches {ceiling:,.0f} requests/s against a bare socket.\n\n"
        f"{contender_table(bench)}\n\n{ratio_table(bench, bare, starts, mib)}\n"
    )


def main() -> None:
    """Compare, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--catalog", type=Path, help="catalogue folder; none: a sample")
    parser.add_argument("--rows", type=int, default=6000, help="products of the sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each contender's turn")
    parser.add_argument("--quick", action="store_true", help="two rounds of 1.5 s")
    parser.add_argument("--project", type=Path, help="make the project here, or go on with it")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        model, bodies, seconds = arguments.bare
        print(run_bare_loop(Path(model), Path(bodies), float(seconds)))
        return
    rounds, seconds = (2, 1.5) if arguments.quick else (arguments.rounds, arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        folder = Path(name)
        project = arguments.project.resolve() if arguments.project else folder / "project"
        make_project(project, arguments.catalog, arguments.rows)
        found = compare(project, folder, rounds, seconds)
    which = f" --catalog {arguments.catalog.name}" if arguments.catalog else ""
    machine = (
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    )
    text = f"`python benchmarks/serving.py{which}` on {machine}\n\n{found}"
    print(f"\n{text}")
    if arguments.output:
        arguments.output.write_text(f"# The service\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
