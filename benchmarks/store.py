"""How many records a second the store takes from 32 threads, each waiting for its own commit."""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rakuten.store.database import Database
from rakuten.store.records import PredictionRecord, new_prediction_id
from rakuten.store.spool import Spool
from rakuten.store.writer import Writer


def make_record(random: np.random.Generator) -> PredictionRecord:
    """A record of the usual size, about 1.7 kB: two embeddings of 32 numbers, 250 characters."""
    numbers = random.normal(size=(2, 32)).round(4).tolist()
    return PredictionRecord(
        prediction_id=new_prediction_id(),
        created_at=datetime.now(UTC),
        designation="Figurine Goku 15 cm, édition limitée, neuve dans sa boîte d'origine",
        description="Un beau cadeau pour les amateurs de Dragon Ball. " * 4,
        image_sha256=None,
        prdtypecode=1140,
        label="figurines et produits dérivés",
        confidence=float(random.random()),
        decision="review",
        alternatives=[
            {"prdtypecode": code, "label": "figurines et produits dérivés", "probability": 0.3217}
            for code in (1140, 1180, 1280)
        ],
        modalities=["text", "image"],
        image_status="ok",
        model_name="rakuten-classifier",
        model_version=3,
        model_sha256="a" * 64,
        latency_ms=3.25,
        key_id="0123456789ab",
        features={
            **{f"number_{n}": 0.123456 for n in range(16)},
            "text_embedding": numbers[0],
            "image_embedding": numbers[1],
        },
    )


def measure(
    writer: Writer, threads: int, seconds: float
) -> tuple[Counter[str], list[float], float]:
    """Submit from many threads; returns kept records by place, latencies in ms, processor s."""
    records = [make_record(np.random.default_rng(n)) for n in range(50)]
    counts: Counter[str] = Counter()
    latencies: list[float] = []
    lock = threading.Lock()
    end = time.perf_counter() + seconds
    busy = time.process_time()

    def submit() -> None:
        mine: Counter[str] = Counter()
        waits = []
        n = 0
        while (begun := time.perf_counter()) < end:
            values = {**vars(records[n % 50]), "prediction_id": new_prediction_id()}
            mine[writer.submit(PredictionRecord(**values)).result()] += 1
            waits.append((time.perf_counter() - begun) * 1000)
            n += 1
        with lock:
            counts.update(mine)
            latencies.extend(waits)

    running = [threading.Thread(target=submit) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return counts, latencies, time.process_time() - busy


def main() -> None:
    """Print one line a database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.servers.postgres import postgres
    from tests.store.conftest import postgres_url

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        cluster = stack.enter_context(postgres(fsync=True))
        cluster.make_database("store")
        for title, url in (
            ("postgres", postgres_url(cluster, "store")),
            ("sqlite", f"sqlite:///{folder / 'predictions.db'}"),
            ("spool", "postgresql://nobody@127.0.0.1:1/none"),
        ):
            database = Database(url)
            if title != "spool":
                database.migrate()
            writer = Writer(database, Spool(folder / title, 1 << 30))
            writer.start()
            measure(writer, 4, 0.5)
            counts, waits, busy = measure(writer, arguments.threads, arguments.seconds)
            writer.stop(60)
            total = counts.total()
            p50, p99 = np.percentile(waits, [50, 99])
            print(
                f"{title:9}{total / arguments.seconds:7.0f} records/s  p50 {p50:5.1f} ms  "
                f"p99 {p99:5.1f} ms  processor {busy / total * 1e6:4.0f} us/record  {dict(counts)}"
            )


if __name__ == "__main__":
    main()
