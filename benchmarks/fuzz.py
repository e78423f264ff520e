"""schemathesis against the service: thousands of requests made from its OpenAPI document.

    python benchmarks/fuzz.py                    a sample; 7,000 requests
    python benchmarks/fuzz.py --catalog FOLDER   a catalogue in the challenge's format
    python benchmarks/fuzz.py --seed 7           other requests

The service is a real process with its store, its keys and a webhook's secret, and a champion
behind it; its rate limits are lifted. Four in five requests have the form that the document asks
for, with real products, pictures, ids and signatures among them, the fifth has not. Every
answer is held against the document: status, media type, headers, schema; a request that the
document forbids must not succeed, a wrong key never opens anything, and nothing is a 5xx. How
many requests the model answered is what the service's own metrics say. Before that,
`schemathesis run` has its own way: examples, the boundaries of every parameter, sequences of
requests, and all of its checks but one (the document cannot say what a picture is).
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import schemathesis
from fuzz_rounds import KNOWN, ROUNDS, Found, Target, run_rounds, target_of
from hypothesis.configuration import set_hypothesis_home_dir
from serving_shop import is_ready, make_project

from rakuten import catalog
from rakuten.data.schema import read_products

LEAST_SHARE: Final = 0.3
_CASES: Final = re.compile(r"^  (\d+ generated.*)$", re.MULTILINE)


def run_alone(target: Target, start: int, folder: Path) -> tuple[str, bool]:
    """What the command finds without our help, and whether that is nothing."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{target.url}/openapi.json"]
    command += ["--phases", "examples,coverage,stateful", "--max-examples", "20"]
    command += ["--exclude-checks", "positive_data_acceptance", "--continue-on-failure"]
    command += ["--header", f"Authorization: Bearer {target.key}", "--seed", str(start)]
    command += ["--generation-database", "none", "--no-color", "--warnings", "off"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    counted = _CASES.search(done.stdout)
    if done.returncode or counted is None:
        return f"`schemathesis run` failed:\n\n```\n{done.stdout}{done.stderr}```", False
    return f"`schemathesis run` by itself: {counted[1]}.", True


def report(found: Found, inferred: int, least: int, server_errors: int) -> tuple[str, bool]:
    """The result as Markdown, and whether all is well."""
    share = inferred / found.total
    lines = ["| operation | requests | statuses |", "|---|---:|---|"]
    for label, counts in sorted(found.statuses.items()):
        cells = ", ".join(f"{status}: {counts[status]:,}" for status in sorted(counts))
        lines.append(f"| {label} | {counts.total():,} | {cells} |")
    fewest = min(counts.total() for counts in found.statuses.values())
    lines += [
        "",
        f"{found.total:,} requests, at least {fewest} to each of {len(found.statuses)} operations. "
        f"The model answered {inferred:,} of them ({share:.0%}), counting `POST /v1/predict` "
        f"alone. Answers with a 5xx: {server_errors}. Failures: {len(found.failures)}.",
    ]
    for (label, title), curl in sorted(found.failures.items()):
        lines += ["", f"- {label}: {title}", "", "```", curl, "```"]
    well = not found.failures and not server_errors and share >= LEAST_SHARE and fewest >= least
    return "\n".join(lines) + "\n", well


def main() -> None:
    """Fuzz, print, write where asked to; ends with 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=7000)
    parser.add_argument("--seed", type=int, default=1, help="other numbers, other requests")
    parser.add_argument("--catalog", type=Path, help="catalogue folder; none: a sample")
    parser.add_argument("--rows", type=int, default=1500, help="products of the sample")
    parser.add_argument("--project", type=Path, help="use this project, or make it here")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        set_hypothesis_home_dir(name)
        project = arguments.project.resolve() if arguments.project else Path(name) / "project"
        make_project(project, arguments.catalog, arguments.rows)
        table = read_products(project / "data/raw" / catalog.X_TEST)
        pairs = zip(table[catalog.DESIGNATION], table[catalog.DESCRIPTION], strict=True)
        products = [(title, text) for title, text in pairs if title.strip()]
        with target_of(project, Path(name) / "serve") as target:
            alone, alone_well = run_alone(target, arguments.seed, Path(name))
            before = target.answered()
            found = run_rounds(target, products, arguments.requests, arguments.seed)
            answered = target.answered() - before
            ready = is_ready(target.url)
        log = (Path(name) / "serve/serve.log").read_text(errors="replace")
    inferred = answered["/v1/predict", "200"] - ROUNDS * KNOWN
    errors = sum(count for (_, status), count in answered.items() if status >= "500")
    table_text, well = report(found, inferred, arguments.requests // 32, errors)
    well = well and alone_well
    if not ready or "Traceback" in log:
        well, table_text = False, f"{table_text}\nThe service is not well:\n{log[-3000:]}\n"
    which = f"`python benchmarks/fuzz.py --requests {arguments.requests} --seed {arguments.seed}`"
    text = f"{which}, schemathesis {schemathesis.__version__}\n\n{alone}\n\n{table_text}"
    print(f"\n{text}")
    if arguments.output:
        arguments.output.write_text(f"# Generated requests\n\n{text}", encoding="utf-8")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
