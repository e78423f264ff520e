"""The rule over columns: quiet traffic stays quiet, each drift is found, doubt says so."""

import json
from typing import Any

import pytest
from scipy import stats

from rakuten.models.feature_row import FeatureRow
from rakuten.monitoring.drift import (
    ALPHA,
    FLOORS,
    MIN_ROWS,
    MIN_VALUES,
    ColumnDrift,
    DriftCheck,
    check_drift,
)
from rakuten.monitoring.evidence import CRITICAL_FACTOR, Outcome
from tests.monitoring.material import DIMENSION, TYPES, changed, make_rows, without_photos

REFERENCE = make_rows(800, 1000)


def column(check: DriftCheck, name: str) -> ColumnDrift:
    (found,) = (column for column in check.columns if column.name == name)
    return found


def names(check: DriftCheck) -> list[str]:
    return [column.name for column in check.drifted]


def test_quiet_windows_alarm_no_more_often_than_stated() -> None:
    """Fresh window and fresh reference each time; no more than 1 % in the long run."""
    times = 60
    alarms = sum(
        check_drift(make_rows(120, 2 * seed), make_rows(200, 2 * seed + 1), seed=seed).alarms
        for seed in range(times)
    )
    assert alarms <= stats.binom.ppf(0.999, times, ALPHA)


def shift(rows: list[FeatureRow], field: str, by: float) -> list[FeatureRow]:
    return [row if row[field] is None else {**row, field: row[field] + by} for row in rows]  # type: ignore[literal-required,misc]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (shift(make_rows(300, 1), "designation_length", 20), "designation_length"),
        (shift(make_rows(300, 1), "designation_words", 3), "designation_words"),
        (changed(make_rows(300, 1), 0.3, digit_share=0.5), "digit_share"),
        (changed(make_rows(300, 1), 0.3, upper_share=1.0), "upper_share"),
        (changed(make_rows(300, 1), 0.1, designation_length=0), "no_title"),
        (changed(make_rows(300, 1), 0.6, has_description=0), "has_description"),
        (shift(make_rows(300, 1), "description_length", 150), "description_length"),
        (shift(make_rows(300, 1), "description_words", 25), "description_words"),
        (changed(make_rows(300, 1), 0.4, has_markup=1), "has_markup"),
        (changed(make_rows(300, 1), 0.4, language="de"), "language"),
        (changed(make_rows(300, 1), 0.4, language="it"), "language"),
        (changed(make_rows(300, 1), 0.3, text_embedding=[0.0] * DIMENSION), "text_embedding"),
        (without_photos(make_rows(300, 1), 0.2), "missing_photo"),
        (changed(make_rows(300, 1), 0.15, image_status="unreadable"), "unreadable_photo"),
        (shift(make_rows(300, 1), "image_brightness", 0.1), "image_brightness"),
        (shift(make_rows(300, 1), "image_contrast", -0.05), "image_contrast"),
        (shift(make_rows(300, 1), "image_colourfulness", 8), "image_colourfulness"),
        (shift(make_rows(300, 1), "image_sharpness", -5), "image_sharpness"),
        (shift(make_rows(300, 1), "image_white_share", 0.1), "image_white_share"),
        (changed(make_rows(300, 1), 0.4, image_embedding=[1.0] * DIMENSION), "image_embedding"),
        (changed(make_rows(300, 1), 0.4, prdtypecode=TYPES[0]), "prdtypecode"),
        (changed(make_rows(300, 1), 0.4, confidence=0.2), "confidence"),
    ],
)
def test_each_column_is_found_to_drift_and_no_other(
    window: list[FeatureRow], expected: str
) -> None:
    check = check_drift(window, REFERENCE)
    assert names(check) == [expected]
    assert check.alarms
    found = column(check, expected)
    assert found.adjusted_p is not None
    assert found.p_value is not None
    assert found.p_value <= found.adjusted_p < ALPHA
    assert abs(found.effect or 0) >= found.threshold == FLOORS[found.kind]


def test_one_moderate_column_is_a_warning() -> None:
    check = check_drift(changed(make_rows(400, 2), 0.15, designation_length=0), REFERENCE)
    assert (names(check), check.outcome) == (["no_title"], Outcome.WARNING)


def test_one_column_far_above_its_floor_is_critical() -> None:
    check = check_drift(without_photos(make_rows(400, 2), 0.4), REFERENCE)
    assert check.outcome == Outcome.CRITICAL
    effect = column(check, "missing_photo").effect
    assert effect is not None
    assert effect >= CRITICAL_FACTOR * FLOORS["proportion"]


def test_moderate_columns_of_text_photo_and_answer_are_critical_together() -> None:
    moved = {"designation_length": 4, "image_sharpness": -1.5}
    window = make_rows(1000, 2)
    for field, by in moved.items():
        window = shift(window, field, by)
    window = changed(window, 0.15, prdtypecode=TYPES[0])
    check = check_drift(window, make_rows(2000, 1000))
    assert {found.group for found in check.drifted} == {"text", "photo", "answer"}
    assert all(abs(found.effect or 0) < 4 * found.threshold for found in check.drifted)
    assert check.outcome == Outcome.CRITICAL


def test_a_difference_that_is_sure_but_small_is_no_drift() -> None:
    """What many rows make significant is not thereby worth anything."""
    window = changed(make_rows(2_000, 3), 0.03, designation_length=0)
    check = check_drift(window, make_rows(2_000, 4))
    found = column(check, "no_title")
    assert found.adjusted_p is not None
    assert found.adjusted_p < ALPHA
    assert found.verdict == "stable"
    assert not check.alarms


@pytest.mark.parametrize("count", [0, 1, MIN_ROWS - 1])
def test_a_small_window_says_so(count: int) -> None:
    check = check_drift(without_photos(make_rows(count, 5)), REFERENCE)
    assert check.outcome == Outcome.NOT_ENOUGH_DATA
    assert (check.alarms, check.columns) == (False, ())
    assert check.n_window == count


def test_a_window_just_large_enough_is_checked() -> None:
    check = check_drift(without_photos(make_rows(MIN_ROWS, 5)), REFERENCE)
    assert check.outcome == Outcome.CRITICAL


def test_a_small_reference_says_so_too() -> None:
    check = check_drift(make_rows(500, 5), REFERENCE[: MIN_ROWS - 1])
    assert check.outcome == Outcome.NOT_ENOUGH_DATA


def test_a_column_with_few_values_says_so_and_the_rest_is_compared() -> None:
    window = without_photos(make_rows(400, 5, image_status="ok"), 0.9)
    pictured = sum(row["image_embedding"] is not None for row in window)
    assert pictured < MIN_VALUES
    check = check_drift(window, REFERENCE)
    found = column(check, "image_sharpness")
    assert (found.verdict, found.n_window, found.p_value) == ("not_enough_data", pictured, None)
    assert column(check, "missing_photo").verdict == "drifted"


def test_what_neither_side_has_is_absent() -> None:
    """A catalogue without descriptions and photos, whose model has no image branch."""
    bare: dict[str, Any] = {"has_description": 0, "description_length": 0, "has_markup": 0}
    bare["description_words"] = 0
    window = without_photos(make_rows(300, 5, **bare))
    check = check_drift(window, without_photos(make_rows(600, 6, **bare)))
    for name in ("description_length", "image_brightness", "image_embedding"):
        assert column(check, name).verdict == "absent"
    for name in ("has_description", "missing_photo", "unreadable_photo"):
        assert column(check, name).verdict == "constant"
    assert not check.alarms


def test_photos_that_the_reference_never_had_are_a_drift() -> None:
    check = check_drift(make_rows(300, 5), without_photos(make_rows(600, 6)))
    assert "missing_photo" in names(check)
    assert column(check, "image_embedding").verdict == "not_enough_data"


def test_constants_are_not_tested_and_do_not_weaken_the_others() -> None:
    same = {"confidence": 0.5, "language": "fr", "text_embedding": [0.5] * DIMENSION}
    check = check_drift(make_rows(300, 7, **same), make_rows(600, 8, **same))
    assert {column(check, name).verdict for name in same} == {"constant"}
    tested = [found for found in check.columns if found.p_value is not None]
    least = min(tested, key=lambda found: found.p_value or 0)
    assert least.adjusted_p == pytest.approx(min(1, (least.p_value or 0) * len(tested)))


def test_a_constant_that_changed_is_a_drift() -> None:
    check = check_drift(make_rows(300, 7, confidence=0.5), make_rows(600, 8, confidence=0.9))
    assert names(check) == ["confidence"]
    assert check.outcome == Outcome.CRITICAL


def test_damaged_rows_are_counted_and_change_nothing_else() -> None:
    rows = make_rows(300, 9)
    damaged: list[Any] = [{**row, "confidence": float("nan")} for row in rows[:2]]
    clean, check = check_drift(rows, REFERENCE), check_drift([*rows, *damaged], REFERENCE)
    assert check.columns == clean.columns
    assert (check.n_window, check.n_corrupt, check.findings) == (300, 2, ())


def test_many_damaged_rows_are_a_finding_and_no_drift() -> None:
    window: list[Any] = [*make_rows(300, 9), *[None] * 10]
    check = check_drift(window, REFERENCE)
    (finding,) = check.findings
    assert finding.name == "corrupt_rows"
    assert finding.value == pytest.approx(10 / 310)
    assert not check.alarms


def test_nothing_but_damaged_rows_is_a_finding_without_enough_data() -> None:
    check = check_drift([{"confidence": "high"}] * 500, REFERENCE)
    assert check.outcome == Outcome.NOT_ENOUGH_DATA
    assert [finding.value for finding in check.findings] == [1.0]


def test_erased_rows_are_left_out_without_a_finding() -> None:
    kept = {"prdtypecode": 10, "confidence": 0.9, "modalities": "text", "image_status": "ok"}
    check = check_drift([*make_rows(300, 9), *[kept] * 200], REFERENCE)
    assert (check.n_window, check.n_erased, check.n_corrupt, check.findings) == (300, 200, 0, ())


def test_the_same_rows_and_seed_give_the_same_result() -> None:
    window = make_rows(200, 10)
    assert check_drift(window, REFERENCE, seed=3) == check_drift(window, REFERENCE, seed=3)
    other = check_drift(window, REFERENCE, seed=4)
    assert column(other, "text_embedding") != column(
        check_drift(window, REFERENCE, seed=3), "text_embedding"
    )


def test_the_result_is_json_and_nothing_is_lost() -> None:
    window: list[Any] = [*without_photos(make_rows(300, 11), 0.9), *[None] * 10]
    check = check_drift(window, REFERENCE, seed=2)
    made = check.to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["columns"][0]["name"] == check.columns[0].name
    assert {found["verdict"] for found in made["columns"]} >= {"drifted", "stable"}
    assert made["findings"] == [{"name": "corrupt_rows", "value": 10 / 310, "threshold": 0.01}]
    assert made["outcome"] == "critical"
