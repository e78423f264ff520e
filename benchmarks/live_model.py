"""What it takes to be ready from the cache, and what a swap of the model costs those who ask.

    python benchmarks/live_model.py                       on models/classifier, 40 swaps
    python benchmarks/live_model.py --model DIR --swaps 200

Times of the start are those of new processes, the quickest of three. For the swaps one thread asks
for one prediction after another, first undisturbed, then while the alias of a registry in SQLite
moves between two versions that are in the cache.
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rakuten.io import write_json
from rakuten.models.model_directory import MANIFEST, model_sha256
from rakuten.models.predictor import Product
from rakuten.serving.live_model import LiveModel, LiveOptions
from rakuten.serving.model_cache import FOLDER, ModelCache
from rakuten.settings import Settings

PRODUCT = Product("Console de jeux portable rouge", "Vendue avec deux manettes")
QUIET_SECONDS = 5.0
STARTS = 3

_PREDICTOR = """
import io, json, sys, time
begun = time.perf_counter()
from pathlib import Path
from rakuten.models.predictor import Predictor, Product
imported = time.perf_counter()
predictor = Predictor.load(Path(sys.argv[1]))
loaded = time.perf_counter()
from PIL import Image
photo = io.BytesIO()
Image.linear_gradient("L").convert("RGB").resize((500, 500)).save(photo, "JPEG")
predictor.predict([Product("Console portable", "deux manettes", photo.getvalue())])
ended = time.perf_counter()
"""
_LIVE = """
import json, sys, time
begun = time.perf_counter()
from pathlib import Path
from rakuten.serving.live_model import LiveModel
from rakuten.settings import Settings
imported = time.perf_counter()
live = LiveModel(Settings(), Path(sys.argv[1]))
live.start()
while live.current is None:
    time.sleep(0.001)
loaded = time.perf_counter()
while live.state()["degraded"]:
    time.sleep(0.001)
ended = time.perf_counter()
live.stop()
"""
_SHOW = """
resident = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")]
times = imported - begun, loaded - begun, ended - begun
print(json.dumps([*times, int(resident[0]) / 1024]))
"""


def start(script: str, argument: Path) -> list[float]:
    """Seconds until imported, loaded and done, and MiB, of the quickest of some processes."""
    command = [sys.executable, "-c", script + _SHOW, str(argument)]
    found = []
    for _ in range(STARTS):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append([float(value) for value in json.loads(done.stdout)])
    return min(found, key=lambda one: one[2])


def make_registry(root: Path, model: Path) -> None:
    """Two versions of a model that differ in a word of their manifest, both in the cache."""
    from rakuten.tracking.connection import Connection
    from rakuten.tracking.registry import CHAMPION, Registry

    settings = Settings()
    registry = Registry(Connection(settings, root), settings.mlflow_model_name)
    cache = ModelCache(root / FOLDER, registry.name)
    client: Any = registry.connection.client
    client.create_registered_model(registry.name)
    for number in (1, 2):
        copy = root / f"model{number}"
        shutil.copytree(model, copy)
        manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
        write_json(copy / MANIFEST, {**manifest, "copy": number})
        sha256 = model_sha256(copy)
        cache.fill(sha256, partial(_move, copy))
        tags = {"model_sha256": sha256}
        client.create_model_version(registry.name, source=str(copy), tags=tags)
    registry.point(CHAMPION, registry.version(1))


def move_alias(root: Path, number: int) -> None:
    """Make a version champion, without MLflow: it would slow the process that is measured."""
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE registered_model_aliases SET version = ?", (number,))


def _move(model: Path, staged: Path) -> Path:
    return model.rename(staged / "model")


class Reader:
    """A thread that asks without a pause and notes how long each answer takes."""

    def __init__(self, live: LiveModel) -> None:
        self.seconds: list[float] = []
        self.errors = 0
        self._live, self._done = live, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            begun, current = time.perf_counter(), self._live.current
            try:
                if current is not None:
                    current.predictor.predict([PRODUCT])
            except Exception:  # counted and shown
                self.errors += 1
            self.seconds.append(time.perf_counter() - begun)


def summary(seconds: list[float]) -> str:
    """Percentiles as cells of a table."""
    values = np.percentile(seconds, (50, 99, 100)) * 1000
    return " | ".join(f"{value:.1f}" for value in values)


def swap(root: Path, count: int) -> str:
    """Move the alias; what those who ask notice of it."""
    live = LiveModel(Settings(), root, LiveOptions(poll_seconds=60))
    live.start()
    while live.current is None:
        time.sleep(0.01)
    reader, took = Reader(live), []
    time.sleep(QUIET_SECONDS)
    quiet, reader.seconds = reader.seconds, []
    for move in range(count):
        number = 2 - move % 2
        move_alias(root, number)
        live.poke()
        while live.current.info.version != number:
            time.sleep(0.005)
        took.append(live.last_swap_seconds or 0.0)
    swapping, reader.seconds = reader.seconds, []
    reader.stop()
    live.stop()
    middle = float(np.median(took))
    return (
        "\n| one thread asking | median ms | p99 ms | longest ms |\n|---|---:|---:|---:|\n"
        f"| undisturbed | {summary(quiet)} |\n| {count} swaps | {summary(swapping)} |\n\n"
        f"{reader.errors} errors; a swap takes {middle:.2f} s (median) beside that."
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/classifier"))
    parser.add_argument("--swaps", type=int, default=40)
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    chosen = parser.parse_args()
    lines = [
        "| new process | imported s | loaded s | done s | resident MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(make_registry, root, chosen.model.resolve()).result()
        for name, script, argument in (
            ("Predictor: import, load, first answer with photo", _PREDICTOR, chosen.model),
            ("live model: import, ready from the cache, confirmed", _LIVE, root),
        ):
            *times, resident = start(script, argument.resolve())
            cells = " | ".join(f"{value:.2f}" for value in times)
            lines.append(f"| {name} | {cells} | {resident:.0f} |")
        lines.append(swap(root, chosen.swaps))
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.output:
        command = f"python benchmarks/live_model.py --swaps {chosen.swaps}"
        machine = f"{os.cpu_count()} processors, {platform.machine()}"
        head = (
            f"# The live model\n\n`{command}` on {machine}, Python {platform.python_version()}\n\n"
        )
        chosen.output.write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    main()
