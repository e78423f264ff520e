"""What a prediction makes is gone after it: a service makes millions of them."""

import gc
from collections import Counter

import pytest

from rakuten import catalog
from rakuten.data.schema import read_products
from rakuten.models.predictor import Predictor, Product
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome

ROUNDS = 200


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

    for number in range(3):
        ask(number)
    before = count_objects()
    for number in range(3, 3 + ROUNDS):
        ask(number)
    left = count_objects() - before
    assert left.total() < ROUNDS / 2, left.most_common(5)
