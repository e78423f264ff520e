"""The vectoriser beside scikit-learn's pair of TF-IDF vectorisers, on the same documents.

Raw text in, normalised matrix out, cleaning included: words (1, 2) and characters within words
(2, 5). Documents are synthetic and all different; fitting and transforming unseen ones are timed
apart, each the best of several rounds that take turns. Weighted F1 is that of one linear
classifier on both matrices.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from listings import documents
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer

from rakuten.features.vectoriser import HashedTfidf
from rakuten.kernel.linear import fit_linear
from rakuten.kernel.text import clean_texts
from rakuten.models.bootstrap import bootstrap, weighted_f1


class Pair(BaseEstimator):  # type: ignore[misc]
    """scikit-learn's vectorisers side by side."""

    def fit(self, texts: Sequence[str]) -> "Pair":
        """Fit both."""
        self.words_ = TfidfVectorizer(ngram_range=(1, 2), dtype=np.float32).fit(texts)
        self.characters_ = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), dtype=np.float32
        ).fit(texts)
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        """Both matrices, side by side."""
        parts = [self.words_.transform(texts), self.characters_.transform(texts)]
        return sp.hstack(parts, format="csr")


def timed(work: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> tuple[float, Any]:
    """Seconds on the wall clock, and the result."""
    start = time.perf_counter()
    result = work(texts)
    return time.perf_counter() - start, result


def answers(train: sp.csr_matrix, y: Any, test: sp.csr_matrix) -> NDArray[np.int64]:
    """What a linear support vector machine (C = 0.5) answers."""
    fitted = fit_linear(train, np.arange(len(y)), y, classes=int(y.max()) + 1, cost=0.5)
    return np.asarray((test @ fitted.coefficients + fitted.intercepts).argmax(axis=1))


def measure(arguments: argparse.Namespace) -> str:
    """Run everything; the tables as Markdown."""
    texts, kinds = documents(arguments.documents + arguments.unseen)
    known, unseen = texts[: arguments.documents], texts[arguments.documents :]
    codes = np.unique(kinds, return_inverse=True)[1]
    print(f"{len(texts):,} documents of {np.mean([*map(len, texts)]):.0f} characters", flush=True)
    makers: dict[str, Callable[[], Any]] = {
        "scikit-learn": Pair,
        "rakuten, 1 thread": lambda: HashedTfidf(threads=1),
        "rakuten, 2 threads": lambda: HashedTfidf(threads=2),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in makers}
    found = {}
    for turn in range(arguments.rounds):
        for name, make in makers.items():
            vectoriser = make()
            fit_seconds, _ = timed(vectoriser.fit, known)
            seconds, matrix = timed(vectoriser.transform, unseen)
            times[name].append((fit_seconds, seconds))
            print(f"  round {turn + 1}, {name}: fit {fit_seconds:.1f} s, {seconds:.1f} s")
            if turn == 0 and name != "rakuten, 2 threads":
                found[name] = answers(vectoriser.transform(known), codes[: len(known)], matrix)
            del vectoriser, matrix
    cleaning, _ = timed(clean_texts, unseen)
    truth, ones = codes[len(known) :], np.ones(len(unseen))
    scores = {name: weighted_f1(truth, codes, ones) for name, codes in found.items()}
    theirs, ours = found.values()
    gain = bootstrap(
        lambda weights: weighted_f1(truth, ours, weights) - weighted_f1(truth, theirs, weights),
        np.arange(len(unseen)),
    )
    return table(times, scores, len(known), len(unseen)) + (
        f"\n\nWeighted F1, rakuten minus scikit-learn: {gain.value:+.4f} (95 % bootstrap bounds, "
        f"each one-sided: {gain.lower:+.4f} and {gain.upper:+.4f}).\n\nOf the time of one thread, "
        f"cleaning alone: {len(unseen) / cleaning:,.0f} documents/s."
    )


def table(
    times: dict[str, list[tuple[float, float]]], scores: dict[str, float], fitted: int, unseen: int
) -> str:
    """Documents/s and ratios, from the best round of each."""
    best = {name: tuple(map(min, zip(*rounds, strict=True))) for name, rounds in times.items()}
    base = best["scikit-learn"]
    lines = [
        "| vectoriser | fit, documents/s | ratio | transform of unseen, documents/s | ratio "
        "| weighted F1 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, (fit, transform) in best.items():
        score = f"{scores[name]:.4f}" if name in scores else "the same"
        lines.append(
            f"| {name} | {fitted / fit:,.0f} | {base[0] / fit:.1f} | {unseen / transform:,.0f} "
            f"| {base[1] / transform:.1f} | {score} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=50_000, help="documents to fit on")
    parser.add_argument("--unseen", type=int, default=20_000, help="other documents to transform")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the best one counts")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    arguments = parser.parse_args()
    found = measure(arguments)
    machine = (
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    )
    command = (
        f"python benchmarks/text.py --documents {arguments.documents} "
        f"--unseen {arguments.unseen} --rounds {arguments.rounds}"
    )
    text = f"# Text vectoriser\n\n`{command}` on {machine}\n\n{found}\n"
    print(f"\n{text}")
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
