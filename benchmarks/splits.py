"""Scores over repeated stratified splits of a catalogue's training files.

    python benchmarks/splits.py --catalog FOLDER …          folders in the challenge's format
    python benchmarks/splits.py --catalog sample            3,000 synthetic products
    python benchmarks/splits.py --catalog sample-shuffled   the same with shuffled photos
    python benchmarks/splits.py --catalog … --output FILE   also write the tables as Markdown

Each repeat trains on 80 % with the committed parameters and lets the Predictor answer the
other 20 %, raw text and photo in. Files of X_test.csv are not read. Intervals are 95 %
one-sided bootstrap bounds over products.
"""

import argparse
import dataclasses
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten import catalog
from rakuten.data import schema
from rakuten.data.sample import make_sample
from rakuten.features.encoder_store import load_encoder
from rakuten.models.bootstrap import Estimate, bootstrap, weighted_calibration_error, weighted_f1
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Encoded, Predictor
from rakuten.models.train_model import fit_model
from rakuten.models.training_rows import split_rows
from rakuten.params import Params, load_params
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.features import ENCODER, read_features, read_stage_csv, run_features
from rakuten.stages.ingest import MERGED, run_ingest

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE_ROWS: Final = 3000
CLAIM_ROWS: Final = 100
"""With fewer rows nothing is said of a type's precision."""

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """Answers to held-out rows, those of all repeats in one; every array has a row each.

    ``alone`` holds the answers from one branch, ``text_model`` those of a model trained
    without photos; ``repeat`` and ``product`` say where a row comes from.
    """

    repeat: Codes
    product: Codes
    truth: Codes
    fused: Codes
    confidence: NDArray[np.float64]
    automatic: NDArray[np.bool_]
    alone: dict[str, Codes]
    text_model: Codes


def prepare(name: str, root: Path, params: Params, threads: int) -> ProjectPaths:
    """A project folder with the features of a catalogue, or of a sample made for it."""
    paths = ProjectPaths(root)
    if name in ("sample", "sample-shuffled"):
        make_sample(paths.raw, rows=SAMPLE_ROWS)
    else:
        paths.raw.parent.mkdir(parents=True)
        paths.raw.symlink_to(Path(name).resolve(), target_is_directory=True)
    if name == "sample-shuffled":
        _shuffle_photos(paths.raw_file(catalog.IMAGE_TRAIN))
    run_ingest(paths, threads=threads)
    run_features(paths, params.features, threads=threads)
    return paths


def answer_splits(paths: ProjectPaths, params: Params, repeats: int, threads: int) -> Answers:
    """Train and answer ``repeats`` times, each with another split."""
    features, vectors, _ = read_features(paths)
    images = paths.raw_file(catalog.IMAGE_TRAIN)
    labels = schema.unique_labels(schema.read_labels(paths.raw_file(catalog.Y_TRAIN)))
    merged = read_stage_csv(paths, MERGED)
    truth = features[catalog.LABEL].astype(int).to_numpy()
    fit = partial(
        fit_model,
        vectors=vectors,
        names={},
        encoder=load_encoder(paths.processed / ENCODER),
        params=params.train,
        threads=threads,
    )
    found = []
    for repeat in range(repeats):
        split = params.split.model_copy(update={"seed": params.split.seed + repeat})
        held_out = split_rows(features, labels, split).held_out
        rows, training = np.flatnonzero(held_out), np.flatnonzero(~held_out)
        predictor = fit(features, rows=training).predictor
        text_model = fit(features.assign(image_status="missing"), rows=training).predictor
        products = list(table_products(merged.iloc[rows], images))
        encoded = predictor.encode(products)
        texts = [dataclasses.replace(product, image=None) for product in products]
        probabilities = predictor.probabilities(encoded)
        confidence = probabilities.max(axis=1)
        found.append(
            Answers(
                repeat=np.full(len(rows), repeat),
                product=rows,
                truth=truth[rows],
                fused=_best(predictor, probabilities),
                confidence=confidence,
                automatic=predictor.threshold.is_automatic(confidence),
                alone={
                    branch: _best(predictor, predictor.probabilities(_only(branch, encoded)))
                    for branch in encoded.present
                },
                text_model=_best(text_model, text_model.predict_proba(texts)),
            )
        )
        print(f"  split {repeat + 1} of {repeats}", flush=True)
    return _joined(found)


def report(name: str, answers: Answers) -> str:
    """What the answers to one catalogue say, as Markdown."""
    best = max(answers.alone, key=lambda branch: _f1(answers, answers.alone[branch]))
    correct = answers.fused == answers.truth
    calibration = bootstrap(
        lambda weights: weighted_calibration_error(answers.confidence, correct, weights),
        answers.product,
    )
    automatic = answers.automatic
    lines = [
        f"## {name}",
        "",
        f"{len(answers.truth):,} answers to {len(np.unique(answers.product)):,} products of "
        f"{len(np.unique(answers.truth))} types in {answers.repeat.max() + 1} splits.",
        "",
        "| weighted F1 | mean | sd |",
        "|---|---:|---:|",
        _f1_row("fused", answers, answers.fused),
        *(_f1_row(f"{branch} alone", answers, found) for branch, found in answers.alone.items()),
        _f1_row("model trained without photos", answers, answers.text_model),
        "",
        "| what | value | interval |",
        "|---|---:|---:|",
        _row(f"fused − best branch ({best})", _gain(answers, answers.fused, answers.alone[best])),
        _row(
            "photos removed − model trained without photos",
            _gain(answers, answers.alone["text"], answers.text_model),
        ),
        _row("calibration error (15 bins of equal mass)", calibration),
        _row("coverage of automatic answers", _share(answers, automatic, automatic | True)),
    ]
    if automatic.any():
        lines.append(_row("precision of automatic answers", _share(answers, correct, automatic)))
    return "\n".join([*lines, "", *_per_type(answers, correct)])


def _only(branch: str, encoded: Encoded) -> Encoded:
    present = {name: has & (name == branch) for name, has in encoded.present.items()}
    return dataclasses.replace(encoded, present=present)


def _best(predictor: Predictor, probabilities: NDArray[np.float64]) -> Codes:
    codes = np.array([entry.code for entry in predictor.types])
    return np.asarray(codes[probabilities.argmax(axis=1)])


def _joined(parts: Sequence[Answers]) -> Answers:
    def join(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    names = [field.name for field in dataclasses.fields(Answers) if field.name != "alone"]
    alone = {b: np.concatenate([part.alone[b] for part in parts]) for b in parts[0].alone}
    return Answers(alone=alone, **{name: join(name) for name in names})


def _f1(answers: Answers, found: Codes, rows: NDArray[np.bool_] | None = None) -> float:
    mine = np.ones(len(found)) if rows is None else rows.astype(np.float64)
    return weighted_f1(answers.truth, found, mine)


def _f1_row(label: str, answers: Answers, found: Codes) -> str:
    repeats = np.unique(answers.repeat)
    scores = [_f1(answers, found, answers.repeat == repeat) for repeat in repeats]
    spread = np.std(scores, ddof=1) if len(scores) > 1 else 0.0
    return f"| {label} | {np.mean(scores):.4f} | {spread:.4f} |"


def _gain(answers: Answers, found: Codes, other: Codes) -> Estimate:
    def difference(weights: NDArray[np.float64]) -> float:
        mine, theirs = (weighted_f1(answers.truth, codes, weights) for codes in (found, other))
        return mine - theirs

    return bootstrap(difference, answers.product)


def _share(answers: Answers, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
    def share(weights: NDArray[np.float64]) -> float:
        return float(weights[hits & among].sum() / max(weights[among].sum(), 1.0))

    return bootstrap(share, answers.product)


def _row(label: str, estimate: Estimate) -> str:
    value, lower, upper = estimate.value, estimate.lower, estimate.upper
    return f"| {label} | {value:.4f} | {lower:.4f} to {upper:.4f} |"


def _per_type(answers: Answers, correct: NDArray[np.bool_]) -> list[str]:
    """Coverage and precision of the types with enough automatic answers to say something."""
    lines = []
    for code in np.unique(answers.fused):
        mine = answers.fused == code
        count = int((mine & answers.automatic).sum())
        if count >= CLAIM_ROWS:
            precision = float(correct[mine & answers.automatic].mean())
            lines.append(f"| {code} | {mine.sum():,} | {count:,} | {precision:.4f} |")
    if not lines:
        return [f"No type has {CLAIM_ROWS} automatic answers."]
    header = [
        "| answered type | answers | automatic | precision of these |",
        "|---|---:|---:|---:|",
    ]
    return [*header, *lines]


def _shuffle_photos(folder: Path) -> None:
    """Give each photo the name of another one, seeded."""
    paths = sorted(folder.iterdir())
    order = np.random.default_rng(0).permutation(len(paths)).tolist()
    moved = [path.rename(path.with_suffix(".moved")) for path in paths]
    for path, source in zip(paths, order, strict=True):
        moved[source].rename(path)


def main() -> None:
    """Run every catalogue and print what its answers say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--catalog", nargs="+", required=True, help="folders, or sample names")
    parser.add_argument("--repeats", type=int, default=5, help="splits (default: 5)")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    params, threads = load_params(REPOSITORY / "params.yaml"), load_settings().rakuten_threads
    parts = []
    for name in arguments.catalog:
        shown = Path(name).name
        print(shown, flush=True)
        with tempfile.TemporaryDirectory(prefix="rakuten-bench-") as folder:
            paths = prepare(name, Path(folder), params, threads)
            parts.append(report(shown, answer_splits(paths, params, arguments.repeats, threads)))
        print(f"\n{parts[-1]}\n", flush=True)
    if arguments.output:
        names = " ".join(Path(name).name for name in arguments.catalog)
        command = f"python benchmarks/splits.py --catalog {names} --repeats {arguments.repeats}"
        machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
        text = "\n\n".join([f"# Repeated splits\n\n`{command}` on {machine}.", *parts])
        arguments.output.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
