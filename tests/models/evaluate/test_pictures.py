"""The picture of the confusion matrix."""

import io

import numpy as np
import pytest

from rakuten.models.evaluate import draw_confusion


@pytest.mark.parametrize("types", [2, 27])
def test_the_confusion_matrix_is_a_picture_that_saves(types: int) -> None:
    rng = np.random.default_rng(0)
    truth, predicted = (rng.integers(0, types, 300).tolist() for _ in range(2))
    figure = draw_confusion(truth, predicted, {0: "livres & <b>$jeux$</b>"})
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
    assert len(figure.axes[0].get_yticklabels()) == types
