"""What people read of a run: scores side by side, and each condition with its reason."""

from datetime import UTC, datetime

from rakuten.flows.artifacts import score_rows, verdict_text
from rakuten.flows.publication import outcome_of
from rakuten.stages.promotion import Promotion
from rakuten.tracking.gate import Check, Verdict
from rakuten.tracking.registry import Version

NEW = Version(3, "run", datetime.now(UTC), {"held_out.weighted_f1": "0.812345"})
OLD = Version(2, "before", datetime.now(UTC))
CHECKS = (Check("floor weighted_f1", True, "0.8 | enough"), Check("classes", False, "lost\n0.2"))
VERDICT = Verdict(False, 104, CHECKS, {"weighted_f1": 0.8, "coverage": None}, {"weighted_f1": 0.9})
REFUSED = Promotion("refused", NEW, OLD, VERDICT)


def test_scores_of_model_and_champion_stand_side_by_side() -> None:
    assert score_rows(NEW, REFUSED) == [
        {"score": "weighted_f1", "model": "0.8000", "champion": "0.9000"},
        {"score": "coverage", "model": "–", "champion": "–"},
    ]


def test_without_a_verdict_the_scores_are_those_of_the_run() -> None:
    assert score_rows(NEW, None) == [{"score": "weighted_f1", "model": "0.8123", "champion": "–"}]


def test_a_verdict_names_each_condition_in_one_row() -> None:
    text = verdict_text("said", REFUSED)
    assert "| ok | floor weighted_f1 | 0.8 \\| enough |" in text
    assert "| **fails** | classes | lost 0.2 |" in text


def test_an_outcome_says_what_came_of_the_run() -> None:
    refused = outcome_of(NEW, REFUSED)
    assert refused.to_dict() == {
        "state": "refused",
        "version": 3,
        "run_id": "run",
        "champion": 2,
        "failed": ["classes"],
    }
    assert refused.sentence("m") == "m version 3 was refused by the gate: classes"
    assert outcome_of(NEW, None).state == "registered"
    assert outcome_of(NEW, Promotion("unchanged", NEW, NEW)).failed == ()
