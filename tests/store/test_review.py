"""The review queue: least sure first, pages that do not shift, one person per product."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from rakuten.errors import ContractError
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import PredictionRecord
from rakuten.store.review import _free, _take, claim, claims_of, queue, release, renew
from tests.conftest import REPOSITORY
from tests.store.material import make_feedback, make_record

CLAIM = """
import sys, time
from rakuten.store.database import Database
from rakuten.store.review import claim
database, reviewer = Database(sys.argv[1]), sys.argv[2]
database.ping()
print("ready", flush=True)
sys.stdin.readline()
while True:
    records, _ = claim(database, reviewer, 7, 600)
    if not records:
        break
    for record in records:
        print(record.prediction_id)
    time.sleep(0.01)  # to look at them
"""


def add(database: Database, confidences: Sequence[float]) -> list[PredictionRecord]:
    """Answers to review of some confidences."""
    records = [make_record(confidence=confidence) for confidence in confidences]
    with database.write() as connection:
        insert_predictions(connection, records)
    return records


def ids(records: Sequence[PredictionRecord]) -> list[str]:
    """Their ids."""
    return [record.prediction_id for record in records]


def test_least_sure_comes_first(database: Database) -> None:
    records = add(database, [0.5, 0.1, 0.3])
    page = queue(database, 10)
    assert page.records == [records[1], records[2], records[0]]
    assert page.cursor is None


def test_only_open_answers_whose_content_is_kept_are_in_it(database: Database) -> None:
    wanted = make_record(confidence=0.9)
    photo = make_record(confidence=0.95, designation=None, description=None, image_sha256="d" * 64)
    answered = make_record()
    others = [
        make_record(decision="auto"),
        make_record(designation=None, description=None),
        answered,
    ]
    with database.write() as connection:
        insert_predictions(connection, [wanted, photo, *others])
        put_feedback(connection, [make_feedback(answered.prediction_id)])
    assert queue(database, 10).records == [wanted, photo]


def test_pages_under_inserts_show_every_answer_once(database: Database) -> None:
    before = add(database, [round(0.3 + 0.001 * (n // 3), 4) for n in range(60)])  # with ties
    shown: list[str] = []
    cursor = None
    while True:
        page = queue(database, 7, cursor)
        shown += ids(page.records)
        add(database, [0.0, 0.305, 0.9])  # before, among and behind what was shown
        with database.write() as connection:  # and one that was shown goes
            put_feedback(connection, [make_feedback(page.records[0].prediction_id)])
        cursor = page.cursor
        if cursor is None or len(shown) > 500:
            break
    assert len(shown) == len(set(shown))
    old = set(ids(before))
    expected = ids(sorted(before, key=lambda r: (r.confidence, r.prediction_id)))
    assert [one for one in shown if one in old] == expected


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "WzEsMl0", "e30", "A" * 5000, "\x00"])
def test_cursor_that_is_not_ours_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(ContractError, match="no cursor"):
        queue(database, 5, cursor)


def test_claimed_product_is_hidden_from_others_alone(database: Database) -> None:
    records = add(database, [0.1, 0.2, 0.3])
    taken, _ = claim(database, "anna", 2, 60)
    assert taken == records[:2]
    assert queue(database, 10).records == records[2:]
    assert queue(database, 10, reviewer="ben").records == records[2:]
    assert queue(database, 10, reviewer="anna").records == records
    assert sorted(c.prediction_id for c in claims_of(database, "anna")) == ids(records[:2])
    again, _ = claim(database, "anna", 5, 60)
    assert again == records[2:]


def test_claim_ends_and_the_next_one_gets_the_product(database: Database) -> None:
    records = add(database, [0.1])
    claim(database, "anna", 1, 0.2)
    assert claim(database, "ben", 1, 60)[0] == []
    time.sleep(0.3)
    assert queue(database, 1).records == records
    assert renew(database, "anna", ids(records), 60) == []
    assert claim(database, "ben", 1, 60)[0] == records
    assert claims_of(database, "anna") == []


def test_claim_can_be_renewed_and_given_back_by_its_owner(database: Database) -> None:
    records = add(database, [0.1, 0.2])
    claim(database, "anna", 2, 0.3)
    one = ids(records)[:1]
    assert renew(database, "ben", one, 60) == []
    assert renew(database, "anna", [*one, "no id"], 60) == one
    time.sleep(0.4)
    assert queue(database, 5).records == records[1:]
    assert release(database, "ben", one) == []
    assert release(database, "anna", one) == one
    assert queue(database, 5).records == records


def test_two_who_claim_at_once_never_get_the_same(database: Database, url: str) -> None:
    records = add(database, [0.001 * n for n in range(150)])
    command = [sys.executable, "-c", CLAIM, url]
    people = [
        subprocess.Popen(
            [*command, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for name in ("anna", "ben", "carl")
    ]
    for person in people:
        assert person.stdout is not None
        assert person.stdout.readline() == "ready\n"
    outputs: list[str] = []
    threads = [
        threading.Thread(target=lambda p=p: outputs.append(p.communicate("\n", timeout=60)[0]))
        for p in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [one for output in outputs for one in output.split()]
    assert sorted(taken) == sorted(ids(records))
    assert sum(1 for output in outputs if output) >= 2


@pytest.mark.servers
def test_product_whose_claim_is_not_committed_yet_is_passed_over(
    make_postgres: Callable[[], str],
) -> None:
    database = Database(make_postgres())
    database.migrate()
    records = add(database, [0.1, 0.2])
    with database.write() as connection:
        free = _free(connection, 1)  # the two halves of a claim, held apart
        now = datetime.now(UTC)
        assert _take(connection, free, "anna", now, now + timedelta(seconds=60)) == free
        assert claim(database, "ben", 2, 60)[0] == records[1:]
    assert ids(records[:1]) == free
    database.close()
