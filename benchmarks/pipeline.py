"""Rows/s, images/s and peak memory of each stage, and how they grow with the catalogue.

    python benchmarks/pipeline.py                        1,000 and 10,000 products
    python benchmarks/pipeline.py --rows 1000 98728      up to the challenge's size
    python benchmarks/pipeline.py --output FILE          also write the tables as Markdown

Each stage runs as its own process, as DVC runs it; wall time and peak resident memory are
those of the whole process. Training is logged to an embedded tracking store.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rakuten.data.sample import make_sample

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = ("ingest", "features", "train", "predict")


@dataclass(frozen=True)
class Measure:
    """One stage at one size."""

    stage: str
    rows: int
    images: int
    seconds: float
    peak_mib: float


def measure(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Wall seconds and peak resident MiB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    stderr = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{stderr.decode()}")
    return seconds, usage.ru_maxrss / 1024


def run_size(rows: int, folder: Path) -> list[Measure]:
    """Make a sample of ``rows`` products and run every stage on it."""
    shutil.copy2(REPOSITORY / "params.yaml", folder)
    start = time.perf_counter()
    report = make_sample(folder / "data/raw", rows=rows)
    print(f"{rows} products made in {time.perf_counter() - start:.1f} s", flush=True)
    measures = []
    for stage in STAGES:
        count = report.test_rows if stage == "predict" else report.train_rows
        photos = 0 if stage == "train" else round(count * report.images / rows)
        seconds, peak = measure([sys.executable, "-m", "rakuten.cli", stage], folder)
        measures.append(Measure(stage, count, photos, seconds, peak))
        print(f"  {stage}: {seconds:.1f} s, {peak:.0f} MiB", flush=True)
    return measures


def tables(small: list[Measure], large: list[Measure]) -> str:
    """The measures and their growth as Markdown."""
    lines = [
        "| stage | rows | seconds | rows/s | images/s | peak MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for entry in [*small, *large]:
        images = f"{entry.images / entry.seconds:,.0f}" if entry.images else "–"
        lines.append(
            f"| {entry.stage} | {entry.rows:,} | {entry.seconds:.1f} | "
            f"{entry.rows / entry.seconds:,.0f} | {images} | {entry.peak_mib:,.0f} |"
        )
    lines += ["", "| stage | rows × | seconds × | peak MiB × |", "|---|---:|---:|---:|"]
    for before, after in zip(small, large, strict=True):
        lines.append(
            f"| {before.stage} | {after.rows / before.rows:.1f} | "
            f"{after.seconds / before.seconds:.1f} | {after.peak_mib / before.peak_mib:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run both sizes and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=(1000, 10_000), help="two sizes")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    sizes = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="rakuten-bench-") as folder:
            sizes.append(run_size(rows, Path(folder)))
    machine = (
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    )
    text = f"{machine}\n\n{tables(*sizes)}\n"
    print(f"\n{text}")
    if arguments.output:
        command = f"python benchmarks/pipeline.py --rows {' '.join(map(str, arguments.rows))}"
        arguments.output.write_text(f"# Pipeline stages\n\n`{command}` on {text}", encoding="utf-8")


if __name__ == "__main__":
    main()
