"""What a flow costs over bare ``dvc repro``, with a Prefect server running on PostgreSQL.

    python benchmarks/flow.py                    five rounds on a sample of 3,000 products
    python benchmarks/flow.py --rounds 1 --rows 600
    python benchmarks/flow.py --output FILE      also write the table as Markdown

Each round runs, one after the other and in an order that changes: `dvc repro`; `dvc repro` and the
commands that follow it by hand (`rakuten runs finalize`, `register`, `promote`); and
`rakuten flow run pipeline`, which does all of that. Once with nothing to do, once after the seed of
the stage `train` changed, so that `train` and `predict` really run. Every command is a process of
its own, as a person starts it.
"""

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from promises import conclude

from rakuten.data.sample import make_sample

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.servers.postgres import postgres  # noqa: E402
from tests.servers.prefect_server import prefect_server  # noqa: E402

MOST_SECONDS = 10.0
RAKUTEN = (sys.executable, "-m", "rakuten.cli")
REPRO = ((sys.executable, "-m", "dvc", "repro"),)
BY_HAND = (
    *REPRO,
    (*RAKUTEN, "runs", "finalize"),
    (*RAKUTEN, "register"),
    (*RAKUTEN, "promote"),
)
FLOW = ((*RAKUTEN, "flow", "run", "pipeline"),)
WAYS: Mapping[str, Sequence[Sequence[str]]] = {
    "`dvc repro`": REPRO,
    "`dvc repro`, finalize, register, promote": BY_HAND,
    "`rakuten flow run pipeline`": FLOW,
}
CASES = ("nothing to do", "train and predict")


def make_project(root: Path, rows: int) -> None:
    """A project with a sample of ``rows`` products under DVC; nothing has run."""
    root.mkdir()
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy2(REPOSITORY / name, root)
    (root / ".dvc").mkdir()
    shutil.copy2(REPOSITORY / ".dvc" / "config", root / ".dvc")
    shutil.copytree(REPOSITORY / "src", root / "src")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    make_sample(root / "data" / "raw", rows=rows)


def change(root: Path, seed: int) -> None:
    """Make the stage ``train`` stale by another seed."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["train"]["seed"] = seed
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def run(commands: Sequence[Sequence[str]], root: Path, environment: Mapping[str, str]) -> float:
    """Wall seconds of commands, one after the other; a refusal of the gate is an answer."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, **environment, "PATH": path}
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            command, cwd=root, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 3):
            raise SystemExit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def measure(
    root: Path, environment: Mapping[str, str], rounds: int
) -> dict[tuple[str, str], list[float]]:
    """Seconds of each way in each case, ``rounds`` times, interleaved."""
    seconds: dict[tuple[str, str], list[float]] = {
        way: [] for way in itertools.product(CASES, WAYS)
    }
    seeds = itertools.count(1000)
    orders = itertools.cycle(itertools.permutations(WAYS))
    for number, order in zip(range(rounds), orders, strict=False):
        for case in CASES:
            for way in order:
                if case == CASES[1]:
                    change(root, next(seeds))
                seconds[case, way].append(run(WAYS[way], root, environment))
                print(f"round {number + 1}, {case}, {way}: {seconds[case, way][-1]:.1f} s")
                if way == "`dvc repro`":  # so that each way begins from a model that is live
                    run(BY_HAND[1:], root, environment)
    return seconds


def table(seconds: Mapping[tuple[str, str], list[float]]) -> tuple[str, list[str]]:
    """The measures as Markdown, and the promises that were not kept."""
    lines = ["| case | | seconds (median) | least – most | over `dvc repro` |"]
    lines += ["|---|---|---:|---:|---:|"]
    broken = []
    for (case, way), found in seconds.items():
        over = statistics.median(found) - statistics.median(seconds[case, "`dvc repro`"])
        shown = f"{over:+.1f}" if way != "`dvc repro`" else ""
        lines.append(
            f"| {case} | {way} | {statistics.median(found):.1f} | "
            f"{min(found):.1f} – {max(found):.1f} | {shown} |"
        )
        if WAYS[way] is FLOW and over >= MOST_SECONDS:
            broken.append(f"{case}: the flow costs {over:.1f} s over bare `dvc repro`")
    return "\n".join(lines), broken


def main() -> None:
    """Measure and report; 1 where the flow costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flow-") as name, postgres() as cluster:
        folder, root = Path(name), Path(name) / "project"
        make_project(root, given.rows)
        cluster.make_database("prefect")
        with prefect_server(folder, cluster.environment("prefect")) as server:
            environment = server.environment
            run(BY_HAND, root, environment)
            run(FLOW, root, environment)  # the first run of a flow registers it
            body, broken = table(measure(root, environment, given.rounds))
    note = f"A sample of {given.rows:,} products, {given.rounds} rounds; the flow may cost "
    note += f"{MOST_SECONDS:g} s. It includes what the second row does by hand."
    conclude(
        "What a flow costs",
        f"python benchmarks/flow.py --rounds {given.rounds} --rows {given.rows}",
        f"{note}\n\n{body}",
        broken,
        given.output,
    )


if __name__ == "__main__":
    main()
