"""The champion changes again and again under load: no error, and every answer names its model.

    python benchmarks/swaps.py                   200 moves of the alias, on a sample
    python benchmarks/swaps.py --swaps 20        fewer, for a look

MLflow runs on PostgreSQL and an S3 store, and tells `rakuten serve` of each move by a signed
webhook; all are real processes on loopback. Two models are trained that answer differently, and
every answer is compared with what the version that it names answers to the same product.
"""

import argparse
import os
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger import Ledger, Material, percentile, read_material
from mixed_load import MixedLoad
from promises import conclude
from serving_shop import Contender, make_project, run, service

from rakuten.models.predictor import Predictor, Product
from rakuten.settings import Settings
from rakuten.tracking.connection import Connection
from rakuten.tracking.registry import CHAMPION, Registry

from tests.servers.mlflow_server import tracking_server  # isort: skip - serving_shop shows the way
from tests.servers.object_store import object_store  # isort: skip
from tests.servers.postgres import postgres  # isort: skip
from tests.servers.process import free_port  # isort: skip

QUIET_SECONDS = 10.0
SWAP_SECONDS = 60.0
SAME = 1e-4
"""Probabilities of one product may differ by a tenth of that between batches of other sizes."""
APART = 0.01
BUCKET = "models"
HASH_BITS = ("hash_bits: 20", "hash_bits: 12")


@dataclass(frozen=True)
class Version:
    """A registered model: its hash, and what it answers to each product."""

    sha256: str
    answers: Sequence[tuple[int, float]]


@dataclass
class Witness:
    """Compares answers with those of the version that they name."""

    versions: Mapping[int, Version]
    seen: Counter[int] = field(default_factory=Counter)

    def check(self, number: int, answer: Mapping[str, Any]) -> str | None:
        """What is wrong with the answer to the product of a number."""
        named = answer["model"]["version"]
        version = self.versions[named]
        code, confidence = version.answers[number]
        same = code == answer["prdtypecode"] and abs(confidence - answer["confidence"]) < SAME
        if not same or version.sha256 != answer["model"]["sha256"]:
            return f"version {named} did not give {answer}"
        self.seen[named] += 1
        return None


@contextmanager
def registry_server(folder: Path) -> Iterator[str]:
    """MLflow on PostgreSQL and S3, which may deliver to loopback; its address."""
    from cryptography.fernet import Fernet

    allowed = {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    with postgres(fsync=True) as database, object_store(folder) as store:
        database.make_database("mlflow")
        store.make_bucket(BUCKET)
        with tracking_server(
            folder,
            database.environment("mlflow"),
            f"s3://{BUCKET}/artifacts",
            store={**store.environment, **allowed},
        ) as server:
            yield server.uri


def register_two(project: Path, folder: Path, uri: str) -> Registry:
    """Train and register two versions that differ in their columns; the first is champion."""
    shutil.copytree(project / "data", folder / "data", copy_function=os.link)
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy2(project / name, folder)
    environment = {"MLFLOW_TRACKING_URI": uri}
    for change in (None, HASH_BITS):
        if change:
            params = (folder / "params.yaml").read_text(encoding="utf-8")
            (folder / "params.yaml").write_text(params.replace(*change), encoding="utf-8")
        for command in ("train", "runs finalize", "register"):
            run(*command.split(), folder=folder, environment=environment)
    settings = Settings(mlflow_tracking_uri=uri)
    registry = Registry(Connection(settings, folder), settings.mlflow_model_name)
    registry.point(CHAMPION, registry.version(1))
    return registry


def read_versions(
    registry: Registry, folder: Path, texts: Sequence[tuple[str, str]]
) -> tuple[Material, dict[int, Version]]:
    """Products that the two versions answer differently, with both answers."""
    hashes, answers = {}, {}
    for number in (1, 2):
        version = registry.version(number)
        if version is None:
            raise SystemExit(f"There is no version {number}.")
        directory = registry.download(version, folder / f"version{number}")
        found = Predictor.load(directory).predict([Product(*text) for text in texts])
        hashes[number] = version.model_sha256
        answers[number] = [(one.prdtypecode, one.confidence) for one in found]
    apart = [
        place
        for place, (one, two) in enumerate(zip(answers[1], answers[2], strict=True))
        if abs(one[1] - two[1]) > APART
    ]
    versions = {
        number: Version(hashes[number], [answers[number][place] for place in apart])
        for number in (1, 2)
    }
    return Material([texts[place] for place in apart], []), versions


def move(registry: Registry, number: int, witness: Witness) -> float:
    """Make a version champion; seconds until it has answered.

    Raises:
        SystemExit: it never did.
    """
    version = registry.version(number)
    before = witness.seen[number]
    begun = time.monotonic()
    registry.point(CHAMPION, version)
    while witness.seen[number] == before:
        if time.monotonic() - begun > SWAP_SECONDS:
            raise SystemExit(f"Version {number} is champion and answers nothing.")
        time.sleep(0.01)
    return time.monotonic() - begun


def swap(
    contender: Contender, registry: Registry, material: Material, witness: Witness, count: int
) -> tuple[Ledger, float, list[float]]:
    """Load the service, move the alias; the ledger, when the moves began, and what each took."""
    with MixedLoad(
        contender, material, {"text": 1}, visitors=8, rate=100, check=witness.check
    ) as load:
        time.sleep(QUIET_SECONDS)
        begun, took = time.monotonic(), []
        for number in range(count):
            took.append(move(registry, 2 - number % 2, witness))
    return load.ledger, begun, took


def report(
    ledger: Ledger, begun: float, took: list[float], witness: Witness, products: int
) -> tuple[str, list[str]]:
    """The tables, and the promises that were broken."""
    lines = [
        "| texts, 100/s | requests | p50 ms | p99 ms | longest ms |",
        "|---|---:|---:|---:|---:|",
    ]
    phases = {"undisturbed": (0.0, begun), f"{len(took)} swaps": (begun, float("inf"))}
    for name, phase in phases.items():
        found = ledger.latencies(*phase)
        cells = " | ".join(f"{percentile(found, share):.1f}" for share in (0.5, 0.99, 1))
        lines.append(f"| {name} | {len(found):,} | {cells} |")
    failed = len(ledger.asked) - ledger.count("right")
    times = sorted(took)
    shares = " and ".join(f"{witness.seen[number]:,} by version {number}" for number in (1, 2))
    lines += [
        "",
        f"{failed} errors. {len(ledger.wrong)} answers that the version they name did not give; "
        f"{shares}, on {products:,} products that the two answer differently. From the move of "
        f"the alias to the first answer by the other version: {percentile(times, 0.5):.2f} s in "
        f"the middle, {percentile(times, 0.99):.2f} s p99, {times[-1]:.2f} s at most.",
    ]
    broken = [f"{failed} requests failed"] if failed else []
    return "\n".join(lines), broken + ledger.wrong[:5]


def run_all(project: Path, folder: Path, count: int) -> tuple[str, list[str]]:
    """Everything from the registry to the tables."""
    port, secret = free_port(), secrets.token_hex(16)
    shop = folder / "shop"
    shop.mkdir()
    with registry_server(folder) as uri:
        # Before the first event: MLflow looks only once a minute which webhooks there are.
        settings = Settings(mlflow_tracking_uri=uri)
        Connection(settings, shop).client.create_webhook(
            "service",
            f"http://127.0.0.1:{port}/webhooks/mlflow",
            ["model_version_alias.created"],
            secret=secret,
        )
        registry = register_two(project, shop, uri)
        texts = read_material(project, 0).texts
        material, versions = read_versions(registry, folder, texts)
        witness = Witness(versions)
        options = {
            "MLFLOW_TRACKING_URI": uri,
            "RAKUTEN_SERVE_WEBHOOK_SECRET": secret,
            "RAKUTEN_SERVE_POLL_SECONDS": "15",
        }
        with service(project, folder / "served", options, scope="admin", port=port) as contender:
            ledger, begun, took = swap(contender, registry, material, witness, count)
    return report(ledger, begun, took, witness, len(material.texts))


def main() -> None:
    """Run, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1500, help="products of the sample")
    parser.add_argument("--project", type=Path, help="make the project here, or go on with it")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swaps-") as name:
        project = arguments.project.resolve() if arguments.project else Path(name) / "project"
        make_project(project, None, arguments.rows)
        body, broken = run_all(project, Path(name), arguments.swaps)
    command = f"python benchmarks/swaps.py --swaps {arguments.swaps}"
    conclude("Swaps of the model", command, body, broken, arguments.output)


if __name__ == "__main__":
    main()
