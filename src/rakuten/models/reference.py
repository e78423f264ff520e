"""The frozen reference sample: what a model saw of held-out rows, for drift to compare with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ModelError
from rakuten.models.feature_row import FeatureRow, feature_columns, rows_of_columns
from rakuten.models.model_directory import read_arrays, read_manifest, verify_files

REFERENCE: Final = "reference"
"""Stem of the file in the model directory."""

REFERENCE_ROWS: Final = 2000


def reference_arrays(rows: Sequence[FeatureRow], *, seed: int) -> Mapping[str, NDArray[Any]]:
    """Columns of a seeded sample of at most 2,000 feature rows, in their order.

    Args:
        rows: feature rows of products that the model has not learned from; those of training
            rows would show a confidence that serving never reaches.
        seed: seed of the sample.
    """
    chosen = np.random.default_rng(seed).permutation(len(rows))[:REFERENCE_ROWS]
    return feature_columns([rows[row] for row in np.sort(chosen)])


def read_reference(directory: Path) -> list[FeatureRow]:
    """Feature rows of a model's reference sample; :func:`feature_columns` makes arrays of them.

    Raises:
        ModelError: the model is absent, altered, or of another format version.
    """
    verify_files(directory, read_manifest(directory))
    try:
        return rows_of_columns(read_arrays(directory, REFERENCE))
    except (LookupError, ValueError) as error:
        raise ModelError(f"{directory} has an incomplete reference sample: {error!r}.") from error
