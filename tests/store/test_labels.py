"""One true type of what several people said, by the rule that is written down."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from rakuten.store.labels import Truth, resolve_labels
from rakuten.store.windows import Label
from tests.monitoring.traffic import NOON


def said(*words: tuple[str, int, int]) -> list[Label]:
    """Reviewer, type, minute."""
    return [
        Label("id", reviewer, code, NOON + timedelta(minutes=minute))
        for reviewer, code, minute in words
    ]


@pytest.mark.parametrize(
    ("labels", "code", "votes", "reviewers"),
    [
        (said(("anna", 10, 0)), 10, 1, 1),
        (said(("anna", 10, 0), ("ben", 10, 1)), 10, 2, 2),
        (said(("anna", 10, 0), ("anna", 40, 1)), 40, 1, 1),  # her newest word
        (said(("anna", 10, 0), ("ben", 10, 1), ("cleo", 40, 9)), 10, 2, 3),  # the most
        (said(("anna", 10, 0), ("ben", 40, 1)), 40, 1, 2),  # a tie: the newest word
        (said(("anna", 10, 2), ("ben", 40, 1)), 10, 1, 2),
        (said(("anna", 40, 1), ("ben", 10, 1)), 10, 1, 2),  # at the same moment
        (said(("anna", 10, 0), ("ben", 10, 1), ("ben", 40, 2), ("cleo", 40, 0)), 40, 2, 3),
    ],
)
def test_conflicts_end_by_the_rule_in_any_order(
    labels: Sequence[Label], code: int, votes: int, reviewers: int
) -> None:
    shuffled = list(labels)
    for seed in range(5):
        random.Random(seed).shuffle(shuffled)
        truth = resolve_labels(shuffled)["id"]
        assert (truth.prdtypecode, truth.votes, truth.reviewers) == (code, votes, reviewers)
        assert truth.contested == (votes < reviewers)


def test_answers_are_kept_apart() -> None:
    one, other = said(("anna", 10, 0), ("ben", 40, 1))
    found = resolve_labels([one, Label("other", other.reviewer, 40, other.given_at)])
    assert found == {"id": Truth(10, 1, 1, NOON), "other": Truth(40, 1, 1, other.given_at)}
    assert resolve_labels([]) == {}
