"""The half of the story that the exporter tells: checks, decisions, scores, runs, reviews."""

from typing import Final

import numpy as np

from tests.observability.story import Story, Values

COLUMNS: Final = """
no_title designation_length designation_words digit_share upper_share has_description has_markup
description_length description_words language text_embedding missing_photo unreadable_photo
image_brightness image_contrast image_colourfulness image_sharpness image_white_share
image_embedding prdtypecode confidence
""".split()
STAGES: Final = {"ingest": 41, "features": 512, "train": 388, "predict": 63, "evaluate": 12}


def tell_flows(story: Story) -> None:
    """Hourly checks that end in a drift, a training, a queue of reviews."""
    _exporter(story)
    _drift(story)


def _exporter(story: Story) -> None:
    own = {"instance": "exporter:9108", "job": "exporter"}
    story.put("up", 1, **own)
    read = story.times - 7
    story.put("rakuten_exporter_store_up", 1 - story.between(0.30, 0.36), **own)
    story.put("rakuten_exporter_read_duration_seconds", 0.04 * story.noise(0.3), **own)
    story.put("rakuten_exporter_last_read_timestamp_seconds", read, **own)
    known = np.where(story.between(0.30, 0.36) > 0, np.nan, 1.0)
    hourly = story.times - story.times % 3600
    grown = story.times - story.times[0]
    for outcome, daily in (("none", 18), ("warning", 3), ("critical", 2), ("not_enough_data", 0)):
        runs = np.floor(grown / 86400 * daily) * known
        story.put("rakuten_monitor_runs_total", runs, outcome=outcome, **own)
    story.put(
        "rakuten_monitor_runs_total",
        story.between(0.4, 1.01) * known,
        outcome="check_failed",
        **own,
    )
    for name in ("run", "success"):
        story.put(f"rakuten_monitor_last_{name}_timestamp_seconds", hourly * known, **own)
    story.put("rakuten_monitor_last_duration_seconds", (9 + (hourly / 3600) % 3) * known, **own)
    story.put("rakuten_monitor_window_products", 1000 * known, **own)
    waiting = np.clip(
        300 + 40 * grown / 3600 - 900 * story.between(0.7, 2) * (story.part - 0.7), 20, 1e5
    )
    story.put("rakuten_review_queue_products", np.round(waiting) * known, **own)
    story.put("rakuten_review_oldest_age_seconds", (5e4 + grown * 0.6) * known, **own)
    story.put("rakuten_feedback_total", np.floor(900 + grown / 86400 * 220) * known, **own)
    story.put("rakuten_feedback_last_timestamp_seconds", (story.times - 300) * known, **own)
    _pipeline(story, own, known)


def _pipeline(story: Story, own: dict[str, str], known: Values) -> None:
    trained = story.between(0.54, 1.01)
    last = np.where(trained > 0, story.end - 0.46 * story.seconds, story.times[0] - 2.5 * 86400)
    for state in ("promoted", "refused", "unchanged", "registered", "failed"):
        counted = (
            trained if state == "promoted" else story.between(0.2, 1.01) * (state == "refused")
        )
        story.put("rakuten_pipeline_runs_total", counted * known, state=state, **own)
    for name in ("run", "success"):
        story.put(f"rakuten_pipeline_last_{name}_timestamp_seconds", last * known, **own)
    story.put("rakuten_pipeline_last_duration_seconds", 1043 * known, **own)
    for stage, seconds in STAGES.items():
        story.put("rakuten_stage_last_duration_seconds", seconds * known, stage=stage, **own)
        story.put("rakuten_stage_last_run_timestamp_seconds", last * known, stage=stage, **own)


def _drift(story: Story) -> None:
    own = {"instance": "exporter:9108", "job": "exporter"}
    known = np.where(story.between(0.30, 0.36) > 0, np.nan, 1.0)
    warned, critical = story.between(0.83, 0.9), story.between(0.9, 1.01)
    failed = story.between(0.4, 0.43)
    states = {
        "none": 1 - warned - critical - failed,
        "warning": warned,
        "critical": critical,
        "not_enough_data": 0 * warned,
        "check_failed": failed,
    }
    for state, values in states.items():
        story.put("rakuten_drift_state", values * known, state=state, **own)
    moved = {
        "missing_photo": 0.24,
        "image_embedding": 0.08,
        "confidence": 0.31,
        "prdtypecode": 0.12,
    }
    for number, column in enumerate(COLUMNS):
        rest = 0.01 + 0.012 * (number % 5)
        effect = rest * story.noise(0.2) + moved.get(column, 0) * (0.5 * warned + critical)
        severity = (column in moved) * (warned + critical * (2 if column == "missing_photo" else 1))
        story.put("rakuten_drift_effect_size", effect * known, column=column, **own)
        story.put("rakuten_drift_severity", severity * known, column=column, **own)
    grown = (story.times - story.times[0]) / 86400
    counted = {
        "nothing": np.floor(grown * 18),
        "watch": np.floor(grown * 3),
        "alert": warned + critical + failed.cumsum().clip(0, 1),
        "retrain": story.between(0.95, 1.01),
    }
    for action, values in counted.items():
        story.put("rakuten_decisions_total", values * known, action=action, **own)
        moment = story.times[0] if action != "retrain" else np.where(values > 0, story.times, 0)
        story.put("rakuten_decision_last_timestamp_seconds", moment * known, action=action, **own)
    story.put("rakuten_retraining_open", counted["retrain"] * known, **own)
    open_for = np.cumsum(counted["retrain"]) * story.step
    story.put("rakuten_retraining_open_age_seconds", open_for * known, **own)
    _scores(story, own, known)


def _scores(story: Story, own: dict[str, str], known: Values) -> None:
    lost = 0.02 * story.between(0.9, 1.01)
    for score, level, width in (
        ("weighted_f1", 0.842, 0.024),
        ("accuracy", 0.846, 0.023),
        ("auto_precision", 0.951, 0.012),
    ):
        for bound, sign in (("estimate", 0), ("lower", -1), ("upper", 1)):
            values = (level - lost + sign * width * (1.2 - 0.4 * story.part)) * known
            story.put("rakuten_delayed_score_ratio", values, score=score, bound=bound, **own)
    calibration = (0.031 + lost) * known
    labels = {"score": "calibration_error", "bound": "estimate"}
    story.put("rakuten_delayed_score_ratio", calibration, **labels, **own)
    story.put("rakuten_delayed_reference_ratio", 0.846 * known, score="weighted_f1", **own)
    story.put("rakuten_delayed_unknown_ratio", (0.32 - 0.2 * story.part) * known, **own)
    for score in ("weighted_f1", "accuracy"):
        values = (0.838 - 2 * lost) * story.noise(0.004) * known
        story.put("rakuten_estimated_score_ratio", values, score=score, **own)
    story.put("rakuten_delayed_labels", np.floor(430 + 120 * story.part) * known, **own)
    story.put("rakuten_performance_violated", 0 * known, **own)
