"""Traffic for a running service: products of the catalogue, as they are or drifted, and labels."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import numpy as np

from rakuten import catalog
from rakuten.client import Client
from rakuten.client.wire import PredictionOut
from rakuten.data.schema import read_labels, read_products
from rakuten.errors import ConfigurationError, ContractError, ServiceProblem
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Product
from rakuten.monitoring import simulate
from rakuten.monitoring.kinds import Drift, Strength

BATCH: Final = 32
"""Listings of one request."""

_BUSY: Final = (429, 503)
_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5

Progress = Callable[[int, int], None]
AnswerT = TypeVar("AnswerT")
P = ParamSpec("P")


@dataclass(frozen=True)
class Listing:
    """A product to ask about, and its true type where that is known."""

    product: Product
    prdtypecode: int | None


@dataclass(frozen=True)
class Sent:
    """What became of the listings: answers, items refused (bad photos), labels given."""

    answered: int
    refused: int
    labelled: int


def read_listings(raw: Path) -> list[Listing]:
    """Products of ``X_test.csv``, with their types where there is a ``Y_test.csv``.

    The live model has not learned from them, and they are not its reference sample either.
    Photos are paths.

    Raises:
        ContractError: the tables cannot be read, or a product has no label.
    """
    products = read_products(raw / catalog.X_TEST)
    found = table_products(products, raw / catalog.IMAGE_TEST)
    answers = raw / catalog.Y_TEST
    if not answers.is_file():
        return [Listing(product, None) for product in found]
    labels = read_labels(answers)
    codes = dict(zip(labels[catalog.INDEX], labels[catalog.LABEL], strict=True))
    try:
        return [
            Listing(product, int(codes[index]))
            for index, product in zip(products[catalog.INDEX], found, strict=True)
        ]
    except KeyError as error:
        raise ContractError(
            f"{answers} has no row for the product with the index {error}.",
            hint="both tables must list the same products",
        ) from error


def training_words(raw: Path) -> set[str]:
    """Lower-case words of all training listings."""
    table = read_products(raw / catalog.X_TRAIN)
    texts = (*table[catalog.DESIGNATION], *table[catalog.DESCRIPTION])
    return {word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text.lower())}


def drift_listings(
    listings: Sequence[Listing],
    drift: Drift,
    strength: Strength,
    *,
    rows: int,
    known: set[str],
    seed: int,
) -> list[Listing]:
    """Draw listings without one twice, and let them drift; only a class mix may repeat some.

    Photos of another style are made when they are sent: see :func:`send_listings`.

    Raises:
        ConfigurationError: there are not so many listings, or a class mix lacks labels.
    """
    if rows > len(listings):
        raise ConfigurationError(
            f"{rows} listings are asked for, and {catalog.X_TEST} has {len(listings)}.",
            hint=f"--rows {len(listings)} at most: no product is sent twice",
        )
    place = list(Strength).index(strength)
    if drift is Drift.CLASS_MIX:
        codes = [one.prdtypecode for one in listings if one.prdtypecode is not None]
        if len(codes) < len(listings):
            raise ConfigurationError(
                f"A class mix needs the true types, and there is no {catalog.Y_TEST}.",
                hint="take another drift, or a catalogue with labelled test rows (rakuten sample)",
            )
        distance = simulate.CLASS_MIX[place]
        chosen = simulate.mixed_types(codes, distance, size=rows, seed=seed)
        return [listings[row] for row in chosen]
    drawn = [listings[row] for row in np.random.default_rng(seed).permutation(len(listings))[:rows]]
    products = [one.product for one in drawn]
    if drift is Drift.NEW_VOCABULARY:
        share = simulate.NEW_VOCABULARY[place]
        products = simulate.new_vocabulary(products, share, known=known, seed=seed)
    elif drift is Drift.MISSING_PHOTOS:
        products = simulate.missing_photos(products, simulate.MISSING_PHOTOS[place], seed=seed)
    return [replace(one, product=product) for one, product in zip(drawn, products, strict=True)]


def send_listings(
    client: Client,
    listings: Sequence[Listing],
    *,
    style: simulate.PhotoStyle | None = None,
    label_share: float = 0.0,
    reviewer: str = "simulation",
    seed: int = 0,
    progress: Progress | None = None,
) -> Sent:
    """Ask for every listing, and say the true type of a random share of the answers.

    Args:
        client: needs the scope predict, and review where labels are given.
        listings: in this order, :data:`BATCH` a request.
        style: how their photos are taken; None leaves them.
        label_share: share of the answers whose true type is given, 0 to 1.
        reviewer: who gives it.
        seed: chooses the answers.
        progress: called with (listings sent, all).

    Raises:
        ConfigurationError: labels are wanted and a listing has none.
        ServiceAwayError, ServiceProblem: the service is away, or refuses a request; one that is
            busy is asked again for a minute.
    """
    if label_share and any(one.prdtypecode is None for one in listings):
        raise ConfigurationError(
            f"The true types of the listings are not known: there is no {catalog.Y_TEST}.",
            hint="send no labels, or use a catalogue with labelled test rows (rakuten sample)",
        )
    chance = np.random.default_rng([seed, 1]).random(len(listings))
    answered = refused = labelled = 0
    for start in range(0, len(listings), BATCH):
        batch = listings[start : start + BATCH]
        items = list(_items([one.product for one in batch], style))
        answers = _patiently(client.predict_batch, items).items
        for place, (one, answer) in enumerate(zip(batch, answers, strict=True)):
            if not isinstance(answer, PredictionOut):
                refused += 1
                continue
            answered += 1
            if one.prdtypecode is not None and chance[start + place] < label_share:
                say = partial(client.give_feedback, reviewer=reviewer)
                _patiently(say, answer.prediction_id, one.prdtypecode)
                labelled += 1
        if progress:
            progress(start + len(batch), len(listings))
    return Sent(answered, refused, labelled)


def _items(
    products: Sequence[Product], style: simulate.PhotoStyle | None
) -> Iterator[tuple[str, str, bytes | None]]:
    """Listings as the client sends them; a photo that is not there is none."""
    for product in simulate.restyled_photos(products, style) if style else products:
        photo = product.image
        if isinstance(photo, Path):
            photo = photo.read_bytes() if photo.is_file() else None
        yield product.designation, product.description, photo


def _patiently(ask: Callable[P, AnswerT], *args: P.args, **kwargs: P.kwargs) -> AnswerT:
    """Ask again while the service is busy, up to a minute."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask(*args, **kwargs)
        except ServiceProblem as problem:
            if problem.status not in _BUSY or time.monotonic() > end:
                raise
        time.sleep(_PAUSE_SECONDS)
