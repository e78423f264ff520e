"""The whole evaluation, in ordinary and in odd cases."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rakuten.models.evaluate import Answers, Evaluation, evaluate_answers
from rakuten.models.evaluate.report import Source
from tests.conftest import REPOSITORY
from tests.models.evaluate.conftest import make_answers, noisy_answers

SOURCE = Source(kind="labels")

ODD: dict[str, Answers] = {
    "one row": make_answers([10], [10]),
    "one wrong row": make_answers([10], [40], automatic=np.array([False])),
    "one type": make_answers([10] * 150, [10] * 150),
    "all wrong": make_answers([10] * 80 + [40] * 80, [40] * 80 + [10] * 80),
    "nothing automatic": noisy_answers(200, automatic=np.zeros(200, dtype=bool)),
    "sure of everything": noisy_answers(200, confidence=np.ones(200)),
    "not sure of anything": noisy_answers(200, confidence=np.zeros(200)),
    "a type for each row": make_answers(range(150), range(1, 151)),
    "no text and no photo": make_answers(
        [10] * 120, [10] * 120, designation=[""] * 120, has_image=np.zeros(120, dtype=bool)
    ),
}


def _strict_json(found: Evaluation) -> Any:
    return json.loads(json.dumps(found.to_dict(), allow_nan=False))


@pytest.mark.parametrize("case", ODD)
def test_odd_answers_have_a_whole_evaluation_without_nan(case: str) -> None:
    answers = ODD[case]
    found = _strict_json(evaluate_answers(answers, {}, SOURCE))
    assert found["rows"] == len(answers)
    assert sum(row["support"] for row in found["per_class"]) == len(answers)
    assert sum(count for _, _, count in found["confusion"]) == len(answers)
    assert sum(part["rows"] for part in found["calibration"]) == len(answers)
    for dimension in ("content", "description", "language", "title_length"):
        parts = [part for part in found["slices"] if part["dimension"] == dimension]
        assert sum(part["rows"] for part in parts) == len(answers)
        assert sum(part["auto_correct"] for part in parts) == found["automatic"]["correct"]


def test_all_right_is_one_and_all_wrong_is_nought() -> None:
    right = evaluate_answers(ODD["one type"], {}, SOURCE)
    assert right.scores["weighted_f1"] == right.scores["macro_f1"] == 1.0
    assert right.confused == []
    assert right.intervals["weighted_f1"] == pytest.approx((0.9757, 1.0), abs=1e-4)
    wrong = evaluate_answers(ODD["all wrong"], {}, SOURCE)
    assert wrong.scores["weighted_f1"] == wrong.scores["accuracy"] == 0.0
    assert wrong.intervals["weighted_f1"] == pytest.approx((0.0, 0.0228), abs=1e-4)
    assert wrong.scores["auto_precision"] == 0.0


def test_few_rows_give_scores_and_no_interval() -> None:
    found = evaluate_answers(noisy_answers(99), {}, SOURCE)
    assert found.scores["weighted_f1"] is not None
    assert set(found.intervals.values()) == {None}
    assert found.calibration_spread is None
    assert found.coverage_curve == []


def test_intervals_hold_the_scores() -> None:
    found = evaluate_answers(noisy_answers(2000), {}, SOURCE)
    assert found.intervals.keys() == found.scores.keys()
    for name, interval in found.intervals.items():
        score = found.scores[name]
        assert interval is not None
        assert score is not None
        assert interval[0] < score < interval[1]


def test_a_type_that_is_never_the_answer_is_named() -> None:
    assert evaluate_answers(
        make_answers([10, 40, 50], [10, 10, 60]), {}, SOURCE
    ).never_predicted == [40, 50]


def test_the_same_answers_give_the_same_json() -> None:
    one, other = (evaluate_answers(noisy_answers(700), {}, SOURCE) for _ in range(2))
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _keys(part)


def test_every_key_of_the_json_is_documented_and_no_other() -> None:
    found = _strict_json(evaluate_answers(noisy_answers(1500), {}, SOURCE))
    text = (REPOSITORY / "docs/evaluation.md").read_text()
    table = text.partition("| key | content |")[2]
    documented = re.findall(r"`([a-z_0-9]+)`", table)
    assert list(dict.fromkeys(key for key in documented if key in found)) == list(found)
    values = {"held_out", *(part["dimension"] for part in found["slices"])}
    assert values <= set(documented)
    assert set(documented) - values == set(_keys(found)) - values
