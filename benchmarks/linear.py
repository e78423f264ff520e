"""Solvers for the linear classifiers of the text branch, on the same matrix in one run.

Each runs in a process of its own, so that its peak memory is its own; seconds are those of one
fit, F1 is weighted and on unseen documents. Documents are synthetic and all different. With
--branch the whole text branch with its out-of-fold predictions is trained instead.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from listings import documents
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC

from rakuten.data.split import stratified_folds
from rakuten.features.vectoriser import HashedTfidf
from rakuten.kernel.linear import fit_linear
from rakuten.models.text_branch import fit_text_branch
from rakuten.params import Params
from rakuten.text import clean_text

Scorer = Callable[[sp.csr_matrix], NDArray[Any]]
THREADS = 2


def kernel(matrix: sp.csr_matrix, codes: NDArray[np.int64]) -> Scorer:
    """Dual coordinate descent, sixteen classes at a time (rakuten.kernel)."""
    classes = int(codes.max()) + 1
    rows = np.arange(len(codes))
    fitted = fit_linear(matrix, rows, codes, classes=classes, cost=0.5, threads=THREADS)
    return lambda unseen: np.asarray(unseen @ fitted.coefficients + fitted.intercepts)


def liblinear(matrix: sp.csr_matrix, codes: NDArray[np.int64]) -> Scorer:
    """The dual solver of liblinear, a class at a time in two threads."""
    wide = matrix.astype(np.float64)

    def fit(code: int) -> LinearSVC:
        return LinearSVC(C=0.5, tol=0.1, random_state=0).fit(wide, codes == code)

    with ThreadPoolExecutor(THREADS) as pool:
        models = list(pool.map(fit, range(int(codes.max()) + 1)))
    return lambda unseen: np.column_stack([model.decision_function(unseen) for model in models])


def averaged_sgd(matrix: sp.csr_matrix, codes: NDArray[np.int64]) -> Scorer:
    """Averaged stochastic gradient descent on the hinge loss, ten passes."""
    model = SGDClassifier(
        alpha=1 / (0.5 * len(codes)), average=True, max_iter=10, tol=None, n_jobs=2, random_state=0
    )
    return _decision(model.fit(matrix, codes))


def multinomial(matrix: sp.csr_matrix, codes: NDArray[np.int64]) -> Scorer:
    """Multinomial logistic regression by L-BFGS, at most fifty iterations."""
    return _decision(LogisticRegression(C=10.0, max_iter=50).fit(matrix, codes))


def ridge(matrix: sp.csr_matrix, codes: NDArray[np.int64]) -> Scorer:
    """Ridge regression on indicators by conjugate gradients."""
    return _decision(RidgeClassifier(alpha=1.0, solver="sparse_cg", tol=1e-3).fit(matrix, codes))


SOLVERS = {
    solver.__name__: solver for solver in (kernel, liblinear, averaged_sgd, multinomial, ridge)
}


def _decision(model: Any) -> Scorer:
    found: Scorer = model.decision_function
    return found


def run_solver(name: str, rows: int, characters: int) -> str:
    """Fit one solver here; a row of the table."""
    texts, kinds = documents(rows + rows // 4, characters=characters)
    codes = np.unique(kinds, return_inverse=True)[1]
    vectoriser = HashedTfidf(min_df=2, threads=THREADS)
    matrix = vectoriser.fit_transform(texts[:rows])
    unseen = vectoriser.transform(texts[rows:])
    before = peak()
    start = time.perf_counter()
    score = SOLVERS[name](matrix, codes[:rows])
    seconds = time.perf_counter() - start
    found = score(unseen).argmax(axis=1)
    f1 = f1_score(codes[rows:], found, average="weighted")
    return (
        f"| {name} | {seconds:.1f} | {f1:.4f} | {peak():,.0f} ({peak() - before:+,.0f}) "
        f"| {matrix.nnz / rows:,.0f} × {matrix.shape[1]:,} |"
    )


def run_branch(rows: int, characters: int) -> str:
    """Train the whole text branch here; a row of its table."""
    texts, kinds = documents(rows, characters=characters)
    codes = np.unique(kinds, return_inverse=True)[1]
    params = Params().train
    start = time.perf_counter()
    # The title takes the first third: both fields of the branch have something to do.
    pairs = [(text[: len(text) // 3], text[len(text) // 3 :]) for text in map(clean_text, texts)]
    cleaned = time.perf_counter() - start
    branch, scores = fit_text_branch(
        pairs,
        codes,
        stratified_folds(codes, folds=params.folds, seed=params.seed),
        classes=int(codes.max()) + 1,
        params=params.text,
        threads=THREADS,
    )
    seconds = time.perf_counter() - start
    f1 = f1_score(codes, scores.argmax(axis=1), average="weighted")
    arrays = [*branch.get_arrays().values(), *branch.vectoriser.get_arrays().values()]
    size = sum(array.nbytes for array in arrays) / 2**20
    return (
        f"| {rows:,} × {np.mean([*map(len, texts)]):.0f} | {cleaned:.1f} | {seconds:.1f} "
        f"| {f1:.4f} | {peak():,.0f} | {size:.1f} |"
    )


def peak() -> float:
    """Peak resident MiB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run every solver (or the branch) and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000, help="documents to train on")
    parser.add_argument("--characters", type=int, default=500, help="their average length")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    parser.add_argument("--branch", action="store_true", help="train the whole text branch")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="Markdown file to add the table to")
    arguments = parser.parse_args()
    if arguments.here:
        print(
            run_branch(arguments.rows, arguments.characters)
            if arguments.branch
            else run_solver(arguments.solvers[0], arguments.rows, arguments.characters)
        )
        return
    size = ["--rows", str(arguments.rows), "--characters", str(arguments.characters)]
    if arguments.branch:
        head = [
            "| rows × characters | cleaning s | all s | out-of-fold F1 | peak MiB | model MiB |"
        ]
        head.append("|---|---:|---:|---:|---:|---:|")
        jobs = [["--branch"]]
    else:
        head = ["| solver | seconds | weighted F1 | peak MiB (the fit) | entries a row × columns |"]
        head.append("|---|---:|---:|---:|---:|")
        jobs = [["--solvers", name] for name in arguments.solvers]
    rows = []
    for job in jobs:
        command = [sys.executable, __file__, "--here", *size, *job]
        rows.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(rows[-1], end="", flush=True)
    asked = " ".join(
        ["python benchmarks/linear.py", *size, *sum(jobs if arguments.branch else [], [])]
    )
    machine = f"{os.cpu_count()} processors, {platform.machine()}"
    text = f"`{asked}` on {machine}\n\n" + "\n".join(head) + "\n" + "".join(rows) + "\n"
    print(f"\n{text}")
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as handle:
            handle.write(text)


if __name__ == "__main__":
    main()
