"""What a prediction makes is gone after it: a service makes millions of them."""

import gc
from collections import Counter

import pytest

from rakuten import catalog
from rakuten.data.schema import read_products
from rakuten.models.predictor import Predictor, Product
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome

HALF = 100


def count_objects() -> Counter[str]:
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects())


@pytest.mark.parametrize(("work", "shift"), [("predict", 0), ("explain", 40), ("photo", 80)])
def test_products_of_every_length_leave_no_objects_behind(
    trained_project: tuple[ProjectPaths, TrainOutcome], work: str, shift: int
) -> None:
    paths = trained_project[0]
    predictor = Predictor.load(paths.model)
    titles = list(read_products(paths.raw / catalog.X_TRAIN)[catalog.DESIGNATION])[shift:]
    photos = sorted((paths.raw / catalog.IMAGE_TEST).iterdir())

    def ask(number: int) -> None:
        photo = photos[number % len(photos)].read_bytes() if work == "photo" else None
        product = Product(titles[number], " ".join(titles[:number]), photo)
        if work == "explain":
            predictor.explain(product)
        else:
            predictor.predict([product])

    def left_by(numbers: range) -> Counter[str]:
        before = count_objects()
        for number in numbers:
            ask(number)
        return count_objects() - before

    left_by(range(3))
    # What is made once (Python's caches of abstract classes) is in one half, a leak in both.
    halves = [left_by(range(3, 3 + HALF)), left_by(range(3 + HALF, 3 + 2 * HALF))]
    left = min(halves, key=Counter.total)
    assert left.total() < HALF / 2, left.most_common(5)
