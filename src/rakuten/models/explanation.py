"""Why an answer is what it is: what each branch says, and which words speak for and against."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from rakuten.features.vectoriser import join_fields
from rakuten.models.text_branch import TextBranch

if TYPE_CHECKING:
    from rakuten.models.predictor import Encoded, Predictor, Product

FIELDS: Final = ("designation", "description")
_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True)
class Vote:
    """What one branch alone would say: its own best type, and how likely it finds the answer.

    Probabilities are calibrated for a product that brings this branch's modality only.
    """

    branch: str
    prdtypecode: int
    label: str
    probability: float
    probability_of_answer: float


@dataclass(frozen=True)
class Evidence:
    """A word or a part of one, where it stands, and what it adds to the answer's text score.

    ``weight`` is in units of the support vector machine's margin: 1 is the distance from the
    plane to the margin. Above 0 it speaks for the answer, below 0 against it.
    """

    text: str
    field: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Votes of the branches, and the text's evidence, strongest first.

    The weights of all ``words``, or of all ``parts`` (single n-grams: the same evidence, seen
    closer), and ``base`` add up to the answer's text score. A product without text, or a model
    without a text branch, has none.
    """

    prdtypecode: int
    label: str
    probability: float
    votes: tuple[Vote, ...]
    words: tuple[Evidence, ...]
    parts: tuple[Evidence, ...]
    base: float


def explain(predictor: "Predictor", product: "Product") -> Explanation:
    """Explain the answer for one product."""
    encoded = predictor.encode([product])
    probabilities = predictor.probabilities(encoded)[0]
    answer = int(probabilities.argmax())
    words: list[Evidence] = []
    parts: list[Evidence] = []
    base = 0.0
    if predictor.text is not None and encoded.present["text"][0]:
        row = encoded.rows[0]
        document = (row.clean_designation, row.clean_description)
        words, parts, base = text_evidence(predictor.text, document, answer)
    return Explanation(
        prdtypecode=predictor.types[answer].code,
        label=predictor.types[answer].name,
        probability=float(probabilities[answer]),
        votes=tuple(_votes(predictor, encoded, answer)),
        words=tuple(words),
        parts=tuple(parts),
        base=base,
    )


def _votes(predictor: "Predictor", encoded: "Encoded", answer: int) -> list[Vote]:
    votes = []
    for branch, present in encoded.present.items():
        if branch not in predictor.fusion.trained or not present[0]:
            continue
        alone = {name: has & (name == branch) for name, has in encoded.present.items()}
        probabilities: NDArray[np.float64] = predictor.probabilities(
            replace(encoded, present=alone)
        )[0]
        best = int(probabilities.argmax())
        votes.append(
            Vote(
                branch=branch,
                prdtypecode=predictor.types[best].code,
                label=predictor.types[best].name,
                probability=float(probabilities[best]),
                probability_of_answer=float(probabilities[answer]),
            )
        )
    return votes


def text_evidence(
    branch: TextBranch, document: Sequence[str], answer: int
) -> tuple[list[Evidence], list[Evidence], float]:
    """Words and parts of a cleaned (title, description) with their weights, and the base.

    The score is linear in the n-grams, so each one's share of it is exact: value times
    coefficient, divided among its occurrences. A word's weight is the sum over its characters
    of what the n-grams that cover them give to each.

    Args:
        branch: the text branch.
        document: cleaned title and description.
        answer: position of the type that the evidence is for.
    """
    row = branch.vectoriser.transform([document])
    columns = row.indices.astype(np.int64)
    weights = row.data * branch.linear.coefficients(columns)[:, answer]
    share = dict(zip(columns.tolist(), weights.tolist(), strict=True))
    found = list(branch.vectoriser.ngrams(document))
    occurrences: dict[int, int] = defaultdict(int)
    for column, *_ in found:
        occurrences[column] += 1
    # Every character of the listing has one place, whichever block looks at it.
    listing = join_fields(document)
    starts = (0, len(listing) - len(document[1]))
    characters = np.zeros(len(listing))
    parts: dict[tuple[int, str], float] = {}
    for column, field, start, length in found:
        each = share[column] / occurrences[column]
        first = start + (0 if field is None else starts[field])
        covered = [
            place
            for place in range(max(first, 0), min(first + length, len(listing)))
            if listing[place] != " "
        ]
        characters[covered] += each / len(covered)
        text = listing if field is None else document[field]
        key = int(covered[0] >= starts[1]), f" {text} "[start + 1 : start + 1 + length]
        parts[key] = parts.get(key, 0.0) + each
    words: dict[tuple[int, str], float] = {}
    for field, text in enumerate(document):
        for word in _WORD.finditer(text):
            place = starts[field] + word.start()
            weight = float(characters[place : place + len(word.group())].sum())
            words[field, word.group()] = words.get((field, word.group()), 0.0) + weight
    return _ranked(words), _ranked(parts), float(branch.linear.intercepts[answer])


def _ranked(weights: dict[tuple[int, str], float]) -> list[Evidence]:
    found = [Evidence(text, FIELDS[field], weight) for (field, text), weight in weights.items()]
    return sorted(found, key=lambda evidence: (-abs(evidence.weight), evidence.text))
