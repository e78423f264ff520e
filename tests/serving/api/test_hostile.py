"""Hostile pictures, texts and requests against one real service: the right answer to each."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.api.hostile import BROKEN_OFF, CANARY, Answer, Case, listing, names, send
from tests.serving.api.hostile_images import IMAGES
from tests.serving.api.hostile_requests import REQUESTS
from tests.serving.api.hostile_texts import TEXTS
from tests.serving.api.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("promoted")]

CASES = [*IMAGES, *TEXTS, *REQUESTS]
MIB_OF_ALL_CASES = 700
"""Most memory that the process may ever have had; 40 megapixels are decoded on the way."""


@pytest.fixture(scope="module")
def attacked(promoted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with keys and a webhook's secret, whose store is in a folder of its own."""
    settings = {
        "RAKUTEN_SERVE_MAX_BODY_MIB": "32",
        "RAKUTEN_SERVE_WEBHOOK_SECRET": "a secret of the tests alone",
        "RAKUTEN_SERVE_RATE_PER_SECOND": "1000",
        "RAKUTEN_SERVE_RATE_BURST": "1000",
    }
    served = Served(promoted, tmp_path_factory.mktemp("attacked"), settings, keys=True)
    with served.process:
        yield served


def assert_right(case: Case, answer: Answer) -> None:
    assert answer.status == case.status, answer
    if case.status in (200, BROKEN_OFF):
        found = json.loads(answer.body) if case.holds else {}
        assert {name: found[name] for name in case.holds or {}} == dict(case.holds or {})
        return
    if answer.headers["content-type"].startswith("text/plain"):  # by the HTTP server
        assert (case.status, case.reason) == (400, None)
        return
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert (problem["status"], problem.get("reason")) == (case.status, case.reason)
    assert problem["detail"]
    assert len(answer.body) < 3000


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_hostile_request_gets_the_right_answer(attacked: Served, case: Case) -> None:
    hang_up = case.status == BROKEN_OFF
    assert_right(case, send(attacked.port, case.make(), attacked.key, hang_up=hang_up))


def test_after_all_of_them_the_service_is_well(attacked: Served) -> None:
    """Runs behind the cases, in the same process."""
    fine = send(attacked.port, listing(designation=f"Console {CANARY}"), attacked.key)
    assert fine.status == 200
    assert attacked.stored(json.loads(fine.body)["prediction_id"])
    ready = json.loads(attacked.get("/readyz"))
    assert (ready["status"], ready["store"]["spooled"]) == ("ready", 0)
    answered = re.findall(r'route="(.+)",status="5\d\d"} [1-9]', attacked.get("/metrics"))
    assert set(answered) <= {"/readyz"}  # which is asked until the service is ready
    assert attacked.peak_mib() < MIB_OF_ALL_CASES
    log = attacked.process.log.read_text(errors="replace")
    assert "POST /v1/predict 200" in log
    assert [line for line in log.splitlines() if CANARY in line or "Traceback" in line] == []
