"""What the benchmark of drift draws its windows from: products answered as they are and drifted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rakuten import catalog
from rakuten.data.schema import read_labels, read_products
from rakuten.models.feature_row import FeatureRow
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Predictor, Product
from rakuten.models.reference import read_reference
from rakuten.monitoring import simulate
from rakuten.monitoring.simulated_traffic import training_words

BATCH = 256
STRENGTHS = ("weak", "middle", "strong")
DRIFTS = ("new vocabulary", "missing photos", "class mix", "photo style")
POOL = 3_000
"""Products that are drifted and answered again; each window draws 500 of them."""


@dataclass(frozen=True)
class Traffic:
    """Answered products of one catalogue, none of them seen in training or in the reference.

    ``drifted`` maps (drift, strength) to the same products as they are answered then.
    """

    name: str
    reference: list[FeatureRow]
    rows: list[FeatureRow]
    codes: list[int]
    disjoint: bool
    drifted: dict[tuple[str, str], list[FeatureRow]]

    def quiet_window(self, turn: int, size: int) -> list[FeatureRow]:
        """Rows without drift: the next ones of all shuffled rows, or drawn anew for each window."""
        rng = np.random.default_rng([turn, size])
        chosen = rng.permutation(len(self.rows))[:size]
        if self.disjoint:
            order = np.random.default_rng(size).permutation(len(self.rows))
            chosen = order[turn * size : (turn + 1) * size]
        return [self.rows[row] for row in chosen]

    def drifted_window(self, drift: str, strength: str, turn: int, size: int) -> list[FeatureRow]:
        """Rows with a drift, without one twice unless its type has too few."""
        place = STRENGTHS.index(strength)
        seed = 1000 * DRIFTS.index(drift) + 100 * place + turn
        if drift == "class mix":
            # Both windows of a repetition see the same new mix.
            distance = simulate.CLASS_MIX[place]
            found = simulate.mixed_types(self.codes, distance, size=2 * size, seed=seed - turn % 2)
            half = found[turn % 2 :: 2]
            return [self.rows[row] for row in half]
        pool = self.drifted[drift, strength]
        # A stream of its own: that of the drift chose which products changed.
        order = np.random.default_rng([seed, size]).permutation(len(pool))
        return [pool[row] for row in order[:size]]


def read_part(raw: Path, part: str) -> Iterator[tuple[Product, int]]:
    """Labelled products of the training or the test table, with the bytes of their photos."""
    table, answers, folder = {
        "train": (catalog.X_TRAIN, catalog.Y_TRAIN, catalog.IMAGE_TRAIN),
        "test": (catalog.X_TEST, catalog.Y_TEST, catalog.IMAGE_TEST),
    }[part]
    products = read_products(raw / table)
    labels = read_labels(raw / answers)
    codes = dict(zip(labels[catalog.INDEX], labels[catalog.LABEL], strict=True))
    found = table_products(products, raw / folder)
    for index, product in zip(products[catalog.INDEX], found, strict=True):
        path = product.image
        photo = path.read_bytes() if isinstance(path, Path) and path.is_file() else None
        yield replace(product, image=photo), int(codes[index])


def answer(predictor: Predictor, products: Sequence[Product]) -> list[FeatureRow]:
    """The monitoring rows of products, a batch at a time."""
    starts = range(0, len(products), BATCH)
    batches = (predictor.predict(products[start : start + BATCH]) for start in starts)
    return [prediction.features for batch in batches for prediction in batch]


def make_traffic(
    name: str, project: Path, labelled: Sequence[tuple[Product, int]], *, disjoint: bool
) -> Traffic:
    """Answer products with a project's model, as they are and under each drift."""
    model = project / "models/classifier"
    predictor = Predictor.load(model)
    products = [product for product, _ in labelled]
    rows = answer(predictor, products)
    some = np.random.default_rng(0).permutation(len(products))[:POOL].tolist()
    pool, before = [products[row] for row in some], [rows[row] for row in some]
    known = training_words(project / "data/raw")
    drifted = {}
    for place, strength in enumerate(STRENGTHS):
        changed = {
            "new vocabulary": simulate.new_vocabulary(
                pool, simulate.NEW_VOCABULARY[place], known=known, seed=place
            ),
            "missing photos": simulate.missing_photos(
                pool, simulate.MISSING_PHOTOS[place], seed=place
            ),
            "photo style": simulate.restyled_photos(pool, simulate.PHOTO_STYLES[place]),
        }
        for drift, after in changed.items():
            drifted[drift, strength] = _answer_changed(predictor, pool, after, before)
    return Traffic(
        name=name,
        reference=read_reference(model),
        rows=rows,
        codes=[code for _, code in labelled],
        disjoint=disjoint,
        drifted=drifted,
    )


def _answer_changed(
    predictor: Predictor,
    before: Sequence[Product],
    after: Sequence[Product],
    rows: Sequence[FeatureRow],
) -> list[FeatureRow]:
    """Answers of changed products; those that are as before have theirs already."""
    places = [row for row, product in enumerate(after) if product != before[row]]
    answers = dict(zip(places, answer(predictor, [after[row] for row in places]), strict=True))
    return [answers.get(row, rows[row]) for row in range(len(rows))]
