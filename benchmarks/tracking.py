"""What traceability costs: training with a run on PostgreSQL and S3 beside training alone.

    make servers && python benchmarks/tracking.py                    a sample of 3,000 products
    python benchmarks/tracking.py --catalog FOLDER --output FILE     another catalogue, as Markdown

A throw-away PostgreSQL cluster, an S3 store and the tracking server run on loopback. Training
alone calls the same stage function in a process of its own. What logging adds is taken from
within the logged training, from its note "logging the run" to its end, and the look at the server
before it: trainings of a minute differ by more than that from one to the next.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rakuten.data.sample import make_sample
from rakuten.models.model_directory import model_sha256

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.servers.mlflow_server import tracking_server  # noqa: E402
from tests.servers.object_store import object_store  # noqa: E402
from tests.servers.postgres import postgres  # noqa: E402

_ALONE = """
from pathlib import Path
from rakuten.params import load_params
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.train import run_train
paths, settings = ProjectPaths(), load_settings()
params, cache = load_params(paths.params), settings.cache_folder(paths.root)
run_train(paths, params, threads=settings.rakuten_threads, cache=cache)
"""
_RAKUTEN = [sys.executable, "-m", "rakuten.cli"]


def timed(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Wall seconds of a command in a project; 3 is the gate's refusal, an answer like another."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    if "waits in" in done.stderr:
        raise SystemExit(f"the run was not logged:\n{done.stderr}")
    return seconds


def make_project(folder: Path, catalog: Path | None, rows: int) -> None:
    """A project with the committed parameters whose features are ready."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy2(REPOSITORY / name, folder)
    environment = dict(os.environ)
    if catalog:
        timed([*_RAKUTEN, "data", "import", str(catalog.resolve())], folder, environment)
    else:
        make_sample(folder / "data/raw", rows=rows)
    for stage in ("ingest", "features"):
        timed([*_RAKUTEN, stage], folder, environment)


def timed_training(folder: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Wall seconds of ``rakuten train``, and those after it said that it logs the run."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [*_RAKUTEN, "train"],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    logging, lines = 0.0, []
    for line in process.stderr or ():
        lines.append(line)
        if "logging the run" in line:
            logging = time.perf_counter()
    code, end = process.wait(), time.perf_counter()
    if code or not logging or any("waits in" in line for line in lines):
        raise SystemExit(f"the run was not logged:\n{''.join(lines)}")
    return end - start, end - logging


def measure(project: Path, rounds: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Time both ways of training in turns, then what comes after a run; yield lines of a table."""
    alone, logged, added, models = [], [], [], set()
    before = timed([*_RAKUTEN, "preflight", "--quiet"], project, environment)
    before -= timed([*_RAKUTEN, "--version"], project, environment)
    for number in range(1, rounds + 1):
        alone.append(timed([sys.executable, "-c", _ALONE], project, environment))
        models.add(model_sha256(project / "models/classifier"))
        seconds, logging = timed_training(project, environment)
        logged.append(seconds)
        added.append(logging)
        models.add(model_sha256(project / "models/classifier"))
        print(
            f"round {number}: {alone[-1]:.1f} s alone; {seconds:.1f} s with a run, "
            f"{logging:.1f} s of it logging",
            flush=True,
        )
    (project / "dvc.lock").write_text("stages: {}\n")
    after = {
        name: timed([*_RAKUTEN, *name.split()], project, environment)
        for name in ("runs finalize", "register", "promote")
    }
    yield "| what | seconds |"
    yield "|---|---:|"
    yield f"| training alone, median of {rounds} | {median(alone):.1f} |"
    yield f"| training with its run logged, median of {rounds} | {median(logged):.1f} |"
    yield f"| … of which **logging**, median (largest) | {median(added):.1f} ({max(added):.1f}) |"
    yield f"| looking at the server and the store beforehand (`rakuten preflight`) | {before:.1f} |"
    for name, seconds in after.items():
        yield f"| `rakuten {name}` | {seconds:.1f} |"
    same = "byte-identical" if len(models) == 1 else "NOT the same"
    yield ""
    yield f"The {2 * rounds} models are {same} (hash of the manifest, which holds all others)."


def main() -> None:
    """Start the servers, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--catalog", type=Path, help="catalogue in the challenge's format")
    parser.add_argument("--rows", type=int, default=3000, help="products of the sample")
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--output", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracking-")))
        for name in ("project", "store", "server"):
            (folder / name).mkdir()
        make_project(folder / "project", arguments.catalog, arguments.rows)
        database = stack.enter_context(postgres())
        database.make_database("mlflow")
        store = stack.enter_context(object_store(folder / "store"))
        store.make_bucket("mlflow")
        server = stack.enter_context(
            tracking_server(
                folder / "server",
                database.environment("mlflow"),
                "s3://mlflow/artifacts",
                store=store.environment,
            )
        )
        environment = {**os.environ, "MLFLOW_TRACKING_URI": server.uri}
        lines = list(measure(folder / "project", arguments.rounds, environment))
    name = arguments.catalog.name if arguments.catalog else f"sample of {arguments.rows} products"
    title = f"What traceability costs: {name}"
    text = "\n".join([f"# {title}", "", *lines, ""])
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
