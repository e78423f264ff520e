"""Evidently's part of a report: offline, self-contained, with what is there to compare."""

import json
import re
import socket
from typing import Any

import pytest

from rakuten.models.feature_row import FeatureRow
from rakuten.monitoring.drift import check_drift
from rakuten.monitoring.evidently_report import Described, describe
from tests.monitoring.material import TYPES, changed, make_rows, without_photos

pytestmark = pytest.mark.slow

REFERENCE = make_rows(300, 1000)
HOSTILE = "</script><script>alert(1)</script>"


def described(
    window: list[FeatureRow], monkeypatch: pytest.MonkeyPatch, reference: list[FeatureRow]
) -> Described:
    """Describe while no connection can be made."""

    def refuse(*_: object) -> None:
        raise AssertionError("a report opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return describe(window, reference, check_drift(window, reference), TYPES)


def statuses(found: Described) -> dict[str, str]:
    """Tests by what they are about."""
    return {test["name"].split(":")[0]: test["status"] for test in found.values["tests"]}


def columns_of(found: Described, metric: str) -> set[str]:
    """Columns that a metric was computed of."""
    configs = [m["config"] for m in found.values["metrics"] if m["metric_name"].startswith(metric)]
    return {config.get("column") or config["embeddings_name"] for config in configs}


def test_page_needs_nothing_else_and_shows_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    window = changed(make_rows(150, 5), 0.3, language=HOSTILE, prdtypecode=77)
    window += window[:40]
    found = described(window, monkeypatch, REFERENCE)
    assert not re.search(r"<(script|img|iframe|link)[^>]*\b(src|href)=", found.html[:20_000])
    assert "<link" not in found.html
    assert "url(http" not in found.html
    assert "alert(1)" not in found.html
    drift = columns_of(found, "ValueDrift")
    assert {"description_length", "image_contrast", "confidence", "language"} <= drift
    assert {"has_description", "missing_photo", "prdtypecode"} <= drift
    assert columns_of(found, "EmbeddingsDrift") == {"text_embedding", "image_embedding"}
    assert statuses(found) == {
        "Row count in dataset": "SUCCESS",
        "Duplicated row count in dataset": "FAIL",
        "Count of empty columns in dataset": "SUCCESS",
        "Column 'designation_length' missing values": "SUCCESS",
        "Column 'image_brightness' missing values": "SUCCESS",
        "Column 'confidence' values out of range 0 to 1": "SUCCESS",
        "Column 'image_brightness' values out of range 0 to 1": "SUCCESS",
        "Column 'language' values out of list [fr, en, de, unknown]": "FAIL",
        f"Column 'prdtypecode' values out of list [{', '.join(map(str, TYPES))}]": "FAIL",
    }
    assert json.loads(json.dumps(found.values, allow_nan=False)) == found.values


def test_columns_that_cannot_be_compared_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bare: dict[str, Any] = {"has_description": 0, "description_length": 0, "description_words": 0}
    window = without_photos(make_rows(120, 6, **bare, text_embedding=None))
    found = described(window, monkeypatch, REFERENCE)
    drift = columns_of(found, "ValueDrift")
    assert {"missing_photo", "has_description", "designation_length"} <= drift
    assert not {"image_brightness", "description_length"} & drift
    assert columns_of(found, "EmbeddingsDrift") == set()
