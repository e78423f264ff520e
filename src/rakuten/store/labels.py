"""One true type for each answer, from what one or more reviewers said: the only rule of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rakuten.store.windows import Label


@dataclass(frozen=True)
class Truth:
    """The type that counts, how many reviewers named it, and of how many in all."""

    prdtypecode: int
    votes: int
    reviewers: int
    given_at: datetime

    @property
    def contested(self) -> bool:
        """Whether somebody said something else."""
        return self.votes < self.reviewers


def resolve_labels(labels: Iterable[Label]) -> dict[str, Truth]:
    """The true type of each answer, by its id.

    Of one reviewer the newest word counts: people correct themselves. The type that most
    reviewers name wins: one person's slip does not outweigh two who agree. Where as many name
    one type as another, the newest word decides, since who looks second mostly does so because
    the first word was doubted; at the same moment it is the smaller code, so that the order of
    the rows never decides. ``given_at`` is the time of the newest word for the type that won.
    """
    newest: dict[tuple[str, str], Label] = {}
    for label in labels:
        key = label.prediction_id, label.reviewer
        before = newest.get(key)
        if before is None or _rank(label) > _rank(before):
            newest[key] = label
    by_answer: dict[str, list[Label]] = {}
    for label in newest.values():
        by_answer.setdefault(label.prediction_id, []).append(label)
    return {prediction_id: _winner(said) for prediction_id, said in by_answer.items()}


def _winner(said: list[Label]) -> Truth:
    votes = Counter(label.prdtypecode for label in said)
    last = {
        code: max(label.given_at for label in said if label.prdtypecode == code) for code in votes
    }
    code = max(votes, key=lambda one: (votes[one], last[one], -one))
    return Truth(code, votes[code], len(said), last[code])


def _rank(label: Label) -> tuple[datetime, int]:
    return label.given_at, -label.prdtypecode
