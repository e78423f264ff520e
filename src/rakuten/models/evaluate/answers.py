"""Labelled products with the answers they got, row for row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rakuten.features.rows import TextRow, text_rows


@dataclass(frozen=True)
class Answers:
    """Products, their true types and what was answered; every array has shape (n,).

    ``has_image`` says whether the photo decodes; ``automatic`` whether no person was asked.
    """

    index: Sequence[str]
    designation: Sequence[str]
    description: Sequence[str]
    has_image: NDArray[np.bool_]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    automatic: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Where the answer is the true type."""
        return np.asarray(self.truth == self.predicted)

    @cached_property
    def texts(self) -> list[TextRow]:
        """Cleaned texts and their measures, as the model sees them."""
        return text_rows(zip(self.designation, self.description, strict=True))
