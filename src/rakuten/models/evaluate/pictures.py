"""The confusion matrix as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix


def draw_confusion(truth: Sequence[int], predicted: Sequence[int], names: dict[int, str]) -> Any:
    """Row-normalised confusion matrix as a matplotlib figure."""
    from matplotlib.figure import Figure

    codes = sorted(set(truth) | set(predicted))
    counts = confusion_matrix(truth, predicted, labels=codes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.36 * len(codes)
    figure = Figure(figsize=(side + 2, side), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [f"{code} {names.get(code, '')}".strip() for code in codes]
    axes.set_xticks(range(len(codes)), [str(code) for code in codes], rotation=90, fontsize=8)
    axes.set_yticks(range(len(codes)), labels, fontsize=8)
    axes.set_xlabel("predicted type")
    axes.set_ylabel("actual type")
    axes.set_title("Held-out rows: share of each actual type, in per cent")
    for i, j in zip(*np.nonzero(np.round(shares * 100)), strict=True):
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(
            j, i, f"{shares[i, j] * 100:.0f}", ha="center", va="center", fontsize=7, color=colour
        )
    figure.colorbar(picture, ax=axes, shrink=0.7)
    return figure
