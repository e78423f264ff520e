"""Feature rows made without a model: plausible, independent, and drifting where a test says so."""

from typing import Any, cast

import numpy as np

from rakuten.features.image_statistics import STATISTICS
from rakuten.models.feature_row import FeatureRow

TYPES = (10, 40, 50, 1140, 1280, 1560, 1920, 2060, 2280, 2403, 2522, 2583)
DIMENSION = 8


def make_rows(count: int, seed: int, **changes: Any) -> list[FeatureRow]:
    """Rows of one population; ``changes`` overwrite fields of all of them."""
    rng = np.random.default_rng(seed)
    return [cast(FeatureRow, {**_row(rng), **changes}) for _ in range(count)]


def _row(rng: np.random.Generator) -> dict[str, Any]:
    words, described, pictured = 3 + int(rng.poisson(5)), rng.random() < 0.65, rng.random() < 0.97
    described_words = 1 + int(rng.geometric(0.03)) if described else 0
    statistics = rng.normal([0.6, 0.25, 30, 20, 0.3], [0.1, 0.05, 8, 5, 0.1]).round(4).tolist()
    return {
        "designation_length": words * 6 + int(rng.integers(6)),
        "description_length": described_words * 6,
        "designation_words": words,
        "description_words": described_words,
        "digit_share": round(float(rng.beta(1, 12)), 4),
        "upper_share": round(float(rng.beta(1, 6)), 4),
        "has_description": int(described),
        "has_markup": int(described and rng.random() < 0.5),
        "language": str(rng.choice(["fr", "en", "de", "unknown"], p=[0.7, 0.1, 0.05, 0.15])),
        "image_status": "ok" if pictured else "missing",
        **{
            f"image_{name}": value if pictured else None
            for name, value in zip(STATISTICS, statistics, strict=True)
        },
        "modalities": "text+image" if pictured else "text",
        "prdtypecode": int(rng.choice(TYPES)),
        "confidence": float(rng.beta(8, 2)),
        "text_embedding": rng.normal(size=DIMENSION).round(4).tolist(),
        "image_embedding": rng.normal(size=DIMENSION).round(4).tolist() if pictured else None,
    }


def changed(rows: list[FeatureRow], share: float, **changes: Any) -> list[FeatureRow]:
    """The first ``share`` of rows with other values, the rest as they are."""
    count = round(share * len(rows))
    return [cast(FeatureRow, {**row, **changes}) for row in rows[:count]] + rows[count:]


def without_photos(rows: list[FeatureRow], share: float = 1.0) -> list[FeatureRow]:
    """Rows whose photo is missing, with all that follows from it."""
    gone = {f"image_{name}": None for name in (*STATISTICS, "embedding")}
    return changed(rows, share, image_status="missing", modalities="text", **gone)
