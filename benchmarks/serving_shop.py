"""What the benchmark of the service stands on: a project with a promoted model, and servers."""

import base64
import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import Report
from PIL import Image, UnidentifiedImageError

from rakuten import catalog
from rakuten.data.sample import make_sample
from rakuten.data.schema import read_products

REPOSITORY = Path(__file__).resolve().parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.insert(0, str(REPOSITORY))

from tests.servers.process import ServerProcess, answers_http, free_port  # noqa: E402

LEAST_PRODUCTS = 5_000
BATCH = 256
PHOTO_SIZE = 500
_RAKUTEN = [sys.executable, "-m", "rakuten.cli"]


class Server(ServerProcess):
    """A server whose memory can be asked for."""

    @property
    def folder(self) -> Path:
        """What the kernel shows of the process."""
        return Path(f"/proc/{self._process.pid if self._process else 'self'}")

    def resident_mib(self) -> float:
        """Resident memory of the process."""
        status = (self.folder / "status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Processor time that the process has taken, in all its threads."""
        fields = (self.folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Contender:
    """A server that takes load: where, with what header, and as what process."""

    url: str
    process: Server
    header: str = "x-bench: 1"

    @property
    def base(self) -> str:
        """Where the server itself is."""
        return self.url.removesuffix("/v1/predict")

    @property
    def key(self) -> str:
        """The API key in the header."""
        return self.header.split()[-1]

    def load(
        self, bodies: Path, *, connections: int, seconds: float, skip: int = 0, path: str = ""
    ) -> Report:
        """Load it from a process of its own; every answer must be a 200.

        Raises:
            SystemExit: one was not.
        """
        command = [sys.executable, str(BENCHMARKS / "load.py"), self.url + path, str(bodies)]
        command += ["--header", self.header, "--connections", str(connections)]
        command += ["--seconds", str(seconds), "--skip", str(skip)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        report = Report(**json.loads(done.stdout))
        if not report.good:
            log = self.process.log.read_text(errors="replace")[-3000:]
            raise SystemExit(f"{self.url} answered {report.statuses}:\n{log}")
        return report


def run(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """A command of ``rakuten`` in a project; returns what it prints.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        [*_RAKUTEN, *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"rakuten {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_project(folder: Path, found: Path | None, rows: int) -> None:
    """A project whose model is trained on a catalogue, or on a sample, registered and promoted."""
    if (folder / "promoted").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy2(REPOSITORY / name, folder)
    if found:
        run("data", "import", str(found.resolve()), folder=folder)
    elif not (folder / "data/raw").exists():
        make_sample(folder / "data/raw", rows=rows)
    for stage in ("ingest", "features", "train"):
        run(stage, folder=folder)
    (folder / "dvc.lock").write_text("stages: {}\n")
    for step in ("runs finalize", "register", "promote"):
        run(*step.split(), folder=folder)
    (folder / "promoted").touch()


def write_bodies(project: Path, folder: Path, photos: int) -> dict[str, Path]:
    """Request bodies for every contender, one a line, in files; each product is there once.

    Raises:
        SystemExit: the catalogue has too few distinct products.
    """
    products = distinct_products(project / "data/raw")
    if len(products) < LEAST_PRODUCTS:
        raise SystemExit(f"{len(products)} distinct products; {LEAST_PRODUCTS} are needed.")
    texts = [{"designation": title, "description": body} for title, body in products]
    pictures = large_photos(project / "data/raw" / catalog.IMAGE_TRAIN, photos)
    batches = [texts[first : first + BATCH] for first in range(0, len(texts) - BATCH + 1, BATCH)]
    kinds: dict[str, Iterable[Any]] = {
        "text": texts,
        "batch": ({"items": batch} for batch in batches),
        "photo": (
            {**text, "image": base64.b64encode(photo).decode()}
            for text, photo in zip(texts, pictures, strict=False)
        ),
        "mlflow": (
            {"dataframe_split": {"columns": list(text), "data": [list(text.values())]}}
            for text in texts
        ),
    }
    found = {}
    for name, bodies in kinds.items():
        found[name] = folder / f"{name}.jsonl"
        with found[name].open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(body, ensure_ascii=False) + "\n" for body in bodies)
    return found


def distinct_products(raw: Path) -> list[tuple[str, str]]:
    """Distinct titles with their descriptions, shuffled."""
    tables = [read_products(raw / name) for name in (catalog.X_TRAIN, catalog.X_TEST)]
    pairs = {
        (title, body)
        for table in tables
        for title, body in zip(table[catalog.DESIGNATION], table[catalog.DESCRIPTION], strict=True)
        if title.strip()
    }
    found = sorted(pairs)
    random.Random(0).shuffle(found)  # noqa: S311 - the same turn every time
    return found


def large_photos(folder: Path, count: int) -> list[bytes]:
    """Photos of the catalogue as JPEGs of 500 × 500 pixels."""
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(_enlarge, sorted(folder.iterdir())[: 2 * count]))
    return [photo for photo in made if photo][:count]


def _enlarge(path: Path) -> bytes:
    target = io.BytesIO()
    try:
        with Image.open(path) as picture:
            square = picture.convert("RGB").resize((PHOTO_SIZE, PHOTO_SIZE))
    except (OSError, UnidentifiedImageError, ValueError):
        return b""  # the sample holds files that are no photos
    square.save(target, "JPEG", quality=90)
    return target.getvalue()


@contextmanager
def service(
    project: Path,
    root: Path,
    settings: Mapping[str, str] | None = None,
    *,
    scope: str = "predict",
    port: int | None = None,
) -> Iterator[Contender]:
    """`rakuten serve` with a key, in a folder of its own, until the block ends."""
    root.mkdir(exist_ok=True)
    port = port or free_port()
    environment = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{(project / 'mlflow.db').resolve()}",
        "RAKUTEN_SERVE_PORT": str(port),
        "RAKUTEN_SERVE_POLL_SECONDS": "60",
        "RAKUTEN_SERVE_RATE_PER_SECOND": "1000000",  # the key's limit is not what is measured
        "RAKUTEN_SERVE_RATE_BURST": "1000000",
        **(settings or {}),
    }
    command = ["keys", "create", "bench", "--scope", scope]
    key = run(*command, folder=root, environment=environment).strip()
    url = f"http://127.0.0.1:{port}"
    server = Server(
        ["env", "-C", str(root), *_RAKUTEN, "serve"],
        root / "serve.log",
        lambda: is_ready(url),
        environment=environment,
        seconds=90,
    )
    with server:
        yield Contender(f"{url}/v1/predict", server, f"authorization: Bearer {key}")


def is_ready(url: str) -> bool:
    """Whether a service has a model that has answered."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - ours
            return bool(answer.status == 200)
    except OSError:
        return False


def seconds_to_ready(contender: Contender) -> float:
    """Stop a service and start it again: from the start of the process to the first 200."""
    contender.process.stop()
    start = time.perf_counter()
    contender.process.start()
    return time.perf_counter() - start


@contextmanager
def uvicorn(app: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Contender]:
    """An application of this folder, served as its authors would."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(BENCHMARKS), app]
    command += ["--port", str(port), "--log-level", "warning"]
    url = f"http://127.0.0.1:{port}"
    server = Server(
        command,
        folder / f"{app.partition(':')[0]}.log",
        lambda: answers_http(f"{url}/docs"),
        environment=environment,
        seconds=90,
    )
    with server:
        yield Contender(f"{url}/predict", server)


@contextmanager
def mlflow_serve(project: Path, folder: Path) -> Iterator[Contender]:
    """`mlflow models serve` of the champion."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["-m", "models:/rakuten-classifier@champion", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    server = Server(
        command,
        folder / "mlflow.log",
        lambda: answers_http(f"{url}/ping"),
        environment={"MLFLOW_TRACKING_URI": f"sqlite:///{(project / 'mlflow.db').resolve()}"},
        seconds=120,
    )
    with server:
        yield Contender(f"{url}/invocations", server)
