"""One line an event: text for people, JSON for machines."""

import json
from datetime import datetime

import pytest

from rakuten.logs import configure_logs, get_logger


def test_a_text_line_holds_message_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    get_logger("rakuten.test").info("rows read", extra={"rows": 3, "file": "X_train.csv"})
    captured = capsys.readouterr()
    assert captured.err == "rows read  rows=3 file=X_train.csv\n"
    assert captured.out == ""


def test_a_text_line_names_its_level_above_info(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    get_logger("rakuten.test").warning("2 photos of %d missing", 9)
    assert capsys.readouterr().err == "warning: 2 photos of 9 missing\n"


def test_a_json_line_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(json_lines=True)
    get_logger("rakuten.test").info("été\n%s", "two lines", extra={"rows": 3, "path": object})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    event = json.loads(lines[0])
    assert event["event"] == "été\ntwo lines"
    assert event["level"] == "info"
    assert event["logger"] == "rakuten.test"
    assert event["rows"] == 3
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert "été" in lines[0]


def test_a_json_line_holds_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(json_lines=True)
    try:
        raise ValueError("broken")
    except ValueError:
        get_logger("rakuten.test").exception("it failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "ValueError: broken" in json.loads(lines[0])["exception"]


def test_a_text_event_holds_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    try:
        raise ValueError("broken")
    except ValueError:
        get_logger("rakuten.test").exception("it failed")
    written = capsys.readouterr().err
    assert written.startswith("error: it failed\n")
    assert written.endswith("ValueError: broken\n")


def test_a_field_cannot_replace_what_the_event_says_of_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(json_lines=True)
    get_logger("rakuten.test").info("real", extra={"event": "forged", "level": "debug"})
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "real"
    assert event["level"] == "info"


def test_a_text_event_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    get_logger("rakuten.test").info("title", extra={"title": "a\nerror: forged"})
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_events_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="warning")
    get_logger("rakuten.test").info("quiet")
    get_logger("rakuten.test").error("loud")
    assert capsys.readouterr().err == "error: loud\n"


def test_configuring_twice_writes_each_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    configure_logs()
    get_logger("rakuten.test").info("once")
    assert capsys.readouterr().err == "once\n"
