"""Peak memory and rows/s of `rakuten predict` on two tables of text, one ten times the other.

    python benchmarks/memory.py                       100,000 and 1,000,000 rows
    python benchmarks/memory.py --rows 10000 100000

A model is trained on a small catalogue without photos; then the command runs as its own process
on each table. No two rows have one text. Peak memory is that of the whole process.
"""

import argparse
import csv
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from listings import listings
from pipeline import REPOSITORY, measure

from rakuten import catalog
from rakuten.params import load_params
from rakuten.settings import ProjectPaths
from rakuten.stages.features import run_features
from rakuten.stages.ingest import run_ingest
from rakuten.stages.train import run_train

POOL = 20_000
"""Listings whose titles and descriptions are combined into rows."""

STRIDE = 7919
"""Of what position a row takes its description: prime, so that pairs do not repeat soon."""


def write_table(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file row by row."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)


def train_model(folder: Path, rows: int) -> None:
    """Train in a project folder on listings without photos."""
    paths, params = ProjectPaths(folder), load_params(REPOSITORY / "params.yaml")
    shutil.copy2(REPOSITORY / "params.yaml", folder)
    for name in (catalog.IMAGE_TRAIN, catalog.IMAGE_TEST):
        (paths.raw / name).mkdir(parents=True)
    known = list(islice(listings(seed=0), rows))
    columns = ("", *catalog.PRODUCT_COLUMNS)
    products = [(n, title, body, n, n) for n, (title, body, _) in enumerate(known)]
    for name in (catalog.X_TRAIN, catalog.X_TEST):
        write_table(paths.raw_file(name), columns, products)
    labels = ((n, kind) for n, (*_, kind) in enumerate(known))
    write_table(paths.raw_file(catalog.Y_TRAIN), ("", catalog.LABEL), labels)
    run_ingest(paths)
    run_features(paths, params.features)
    run_train(paths, params, threads=os.cpu_count() or 1)


def write_products(path: Path, rows: int) -> float:
    """Write a table of ``rows`` products, all different; its size in MiB."""
    pool = list(islice(listings(seed=1), min(POOL, rows)))
    write_table(
        path,
        ("", *catalog.PRODUCT_COLUMNS),
        (
            (n, f"{pool[n % len(pool)][0]} ref{n:x}", pool[n * STRIDE % len(pool)][1], n, n)
            for n in range(rows)
        ),
    )
    return path.stat().st_size / 2**20


def run_sizes(folder: Path, sizes: list[int]) -> str:
    """Predict a table of each size; the measures as Markdown."""
    lines = ["| rows | table MiB | seconds | rows/s | peak MiB |", "|---:|---:|---:|---:|---:|"]
    peaks = []
    for rows in sizes:
        source, target = folder / f"{rows}.csv", folder / f"predictions-{rows}.csv"
        size = write_products(source, rows)
        predict = [sys.executable, "-m", "rakuten.cli", "predict"]
        command = [*predict, "--input", str(source), "--output", str(target)]
        seconds, peak = measure(command, folder)
        with target.open("rb") as handle:
            written = sum(1 for _ in handle) - 1
        if written != rows:
            raise SystemExit(f"{written} predictions of {rows} rows")
        source.unlink()
        target.unlink()
        peaks.append(peak)
        lines.append(
            f"| {rows:,} | {size:,.0f} | {seconds:.1f} | {rows / seconds:,.0f} | {peak:,.0f} |"
        )
        print(lines[-1], flush=True)
    growth = f"{sizes[-1] / sizes[0]:.0f} times the rows take {peaks[-1] / peaks[0]:.2f} times"
    return "\n".join([*lines, "", f"{growth} the memory."])


def main() -> None:
    """Train, predict both tables, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, nargs=2, default=[100_000, 1_000_000], help="rows of the two tables"
    )
    parser.add_argument("--train", type=int, default=5000, help="listings to train on")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rakuten-bench-") as name:
        train_model(Path(name), arguments.train)
        found = run_sizes(Path(name), arguments.rows)
    command = (
        f"python benchmarks/memory.py --rows {' '.join(map(str, arguments.rows))} "
        f"--train {arguments.train}"
    )
    machine = (
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    )
    text = f"# Memory of prediction\n\n`{command}` on {machine}, text alone\n\n{found}\n"
    print(f"\n{text}")
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
