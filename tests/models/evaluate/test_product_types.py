"""Scores of each type, and mistakes with their examples."""

import numpy as np
import pytest

from rakuten.models.evaluate.intervals import resample_f1
from rakuten.models.evaluate.product_types import confusion_cells, find_confused, score_types
from rakuten.models.evaluate.scores import per_class_scores
from tests.models.evaluate.conftest import make_answers, noisy_answers


def test_scores_agree_with_those_of_scikit_learn() -> None:
    answers = noisy_answers(500)
    expected = per_class_scores(answers.truth.tolist(), answers.predicted.tolist(), {10: "livres"})
    found = score_types(answers, {10: "livres"}, None)
    for row, scores in zip(expected, found, strict=True):
        assert {name: getattr(scores, name) for name in row} == pytest.approx(row, abs=5e-5)


def test_automatic_answers_are_counted_by_the_type_that_was_answered() -> None:
    truth = [10] * 200 + [40] * 120
    predicted = [10] * 150 + [40] * 50 + [40] * 120
    automatic = np.arange(320) >= 120  # 30 right and 50 wrong of type 10, all of type 40
    ten, forty = score_types(make_answers(truth, predicted, automatic=automatic), {}, None)
    assert (ten.support, ten.predicted, ten.automatic, ten.auto_correct) == (200, 150, 30, 30)
    assert ten.auto_precision is None  # 30 answers
    assert ten.coverage == pytest.approx(80 / 200)
    assert (forty.support, forty.predicted) == (120, 170)
    assert (forty.automatic, forty.auto_correct) == (170, 120)
    assert forty.auto_precision == pytest.approx(120 / 170)
    assert forty.coverage == 1.0


def test_intervals_are_for_types_with_enough_products() -> None:
    answers = noisy_answers(900, types=8)
    draws = resample_f1(answers.truth, answers.predicted)
    scores = score_types(answers, {}, draws)
    assert {s.support >= 100 for s in scores} == {True, False}
    for entry in scores:
        if entry.support < 100:
            assert entry.f1_interval is None
            assert entry.coverage is None
        else:
            assert entry.f1_interval is not None
            assert entry.f1_interval[0] < entry.f1 < entry.f1_interval[1]


def test_a_flawless_type_is_not_claimed_to_be_certain() -> None:
    answers = make_answers([10] * 150 + [40] * 150, [10] * 150 + [40] * 149 + [60])
    draws = resample_f1(answers.truth, answers.predicted)
    flawless = score_types(answers, {}, draws)[0]
    assert flawless.f1 == 1.0
    assert flawless.f1_interval == pytest.approx((0.9757, 1.0), abs=1e-4)


def test_types_that_are_never_predicted_or_never_occur_have_rows() -> None:
    found = {s.prdtypecode: s for s in score_types(make_answers([10, 40], [10, 60]), {}, None)}
    assert (found[40].recall, found[40].precision, found[40].f1) == (0.0, 0.0, 0.0)
    assert (found[60].support, found[60].predicted, found[60].precision) == (0, 1, 0.0)


def test_mistakes_show_the_surest_products() -> None:
    answers = make_answers(
        [10] * 5 + [40],
        [40] * 5 + [40],
        confidence=np.array([0.5, 0.9, 0.7, 0.8, 0.6, 1.0]),
        automatic=np.array([False, True, False, True, False, True]),
        designation=["a", "b\x00\n<b>b</b>\u202e", "c", "d" * 500, "e", "f"],
    )
    (pair,) = find_confused(answers, {10: "livres"})
    assert (pair.actual, pair.predicted, pair.count) == (10, 40, 5)
    assert (pair.actual_label, pair.predicted_label) == ("livres", "40")
    assert [example.index for example in pair.examples] == ["101", "103", "102"]
    assert [example.confidence for example in pair.examples] == [0.9, 0.8, 0.7]
    assert [example.automatic for example in pair.examples] == [True, True, False]
    assert pair.examples[0].designation == "b <b>b</b>"
    assert pair.examples[1].designation == "d" * 159 + "…"


def test_confusion_cells_add_up_to_the_rows() -> None:
    assert confusion_cells(make_answers([10, 10, 40, 40], [10, 10, 10, 60])) == [
        (10, 10, 2),
        (40, 10, 1),
        (40, 60, 1),
    ]
