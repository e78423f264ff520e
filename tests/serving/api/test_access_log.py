"""A line for each request, which ties it to its prediction and shows nothing of it."""

import asyncio
import io
import json
import logging
from typing import Any

import pytest

from rakuten.logs import configure_logs
from rakuten.serving.access_log import AccessLog
from tests.serving.api.conftest import Start

SECRET = "Piscine gonflable"


def _lines(text: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in text.splitlines()]
    return [event for event in events if event["logger"] == "rakuten.access"]


def test_line_names_the_request_its_key_and_its_prediction(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    with start(keyless=False) as running:
        headers = {"authorization": f"Bearer {running.key('predict')}", "x-request-id": "mine-1"}
        configure_logs(json_lines=True)
        capsys.readouterr()
        answer = running.client.post("/v1/predict", json={"designation": SECRET}, headers=headers)
        running.client.get(f"/v1/{SECRET}")
        running.client.get("/healthz")  # the lines of a turn are written in the next
    predicted, absent = _lines(capsys.readouterr().err)[:2]
    assert predicted["event"] == "POST /v1/predict 200"
    assert predicted["request_id"] == "mine-1"
    assert predicted["prediction_id"] == answer.json()["prediction_id"]
    assert len(predicted["key_id"]) == 12
    assert 0 < predicted["milliseconds"] < 60_000
    assert predicted["time"].endswith("+00:00")
    assert absent["event"] == "GET none 404"
    assert SECRET not in json.dumps([predicted, absent])


@pytest.mark.parametrize("json_lines", [True, False])
def test_requests_that_end_together_are_one_write_and_a_line_each(
    monkeypatch: pytest.MonkeyPatch, json_lines: bool
) -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr("sys.stderr", Stream())
    configure_logs(json_lines=json_lines)

    async def answer() -> None:
        access = AccessLog()
        for number in range(5):
            scope = {"method": "POST", "state": {"key_id": f"key{number}"}}
            access.add(scope, "/v1/predict", 200, 0.001, f"request{number}")
        await asyncio.sleep(0)

    asyncio.run(answer())
    (text,) = (part for part in written if part.strip())
    assert [f"key{number}" in line for number, line in enumerate(text.splitlines())] == [True] * 5


def test_nothing_is_written_where_the_level_is_higher(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(level="WARNING")

    async def answer() -> None:
        AccessLog().add({"method": "GET", "state": {}}, "/healthz", 200, 0.001, "x")
        await asyncio.sleep(0)

    asyncio.run(answer())
    assert capsys.readouterr().err == ""
    assert logging.getLogger("rakuten.access").getEffectiveLevel() == logging.WARNING
