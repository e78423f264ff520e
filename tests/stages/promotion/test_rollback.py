"""One command back, recorded, and never to something that does not work."""

import json

import pytest

from rakuten.errors import ModelError, PromotionError
from rakuten.stages.promotion import run_rollback
from rakuten.tracking.moves import history
from tests.stages.promotion.conftest import EQUAL, GOOD, OTHER_SPLIT, WEAK, Place
from tests.stages.promotion.test_promote import damaged, failed

pytestmark = pytest.mark.xdist_group("registry")


def test_the_previous_version_is_live_again(live: Place) -> None:
    found = run_rollback(live.paths, live.settings, reason="complaints")
    assert (found.champion.number, found.rolled_back and found.rolled_back.number) == (GOOD, EQUAL)
    assert live.aliases() == {"champion": GOOD, "challenger": OTHER_SPLIT}
    move = history(live.registry.versions())[0]
    assert (move.kind, move.origin, move.to, move.why) == ("rollback", EQUAL, GOOD, "complaints")
    assert move.state == "done"
    reason = json.loads(live.version(EQUAL).tags["rolled_back"])
    assert (reason["by"], reason["why"]) == ("tests", "complaints")


def test_a_second_rollback_never_brings_the_bad_version_back(live: Place) -> None:
    run_rollback(live.paths, live.settings, reason="complaints")
    with pytest.raises(PromotionError, match="no previous version"):
        run_rollback(live.paths, live.settings, reason="again")
    assert live.champion() == GOOD


def test_two_rollbacks_go_two_versions_back(live: Place) -> None:
    live.promote(WEAK, mode="force", reason="a try")
    assert live.aliases()["previous"] == EQUAL
    run_rollback(live.paths, live.settings, reason="once")
    assert (live.champion(), live.aliases()["previous"]) == (EQUAL, GOOD)
    run_rollback(live.paths, live.settings, reason="twice")
    assert live.champion() == GOOD


def test_a_rolled_back_version_goes_live_by_force_alone(live: Place) -> None:
    run_rollback(live.paths, live.settings, reason="complaints")
    found = live.promote(EQUAL)
    assert found.state == "refused"
    assert failed(found.verdict) == {"rolled back"}
    assert live.promote(EQUAL, mode="force", reason="it was the network").state == "promoted"
    assert "rolled_back" not in live.version(EQUAL).tags


def test_a_damaged_previous_version_is_not_gone_back_to(live: Place) -> None:
    with damaged(live, GOOD, "text.npz"):
        with pytest.raises(ModelError, match="hash"):
            run_rollback(live.paths, live.settings, reason="complaints")
        assert live.champion() == EQUAL
        found = run_rollback(live.paths, live.settings, reason="store away", check=False)
    assert not found.checked
    assert live.champion() == GOOD
    assert history(live.registry.versions())[0].verdict == "not checked"


def test_a_move_that_was_interrupted_shows_as_such_and_can_be_repeated(
    live: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """What no handler catches."""

    def dies(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("rakuten.tracking.moves._go_live", dies)
    with pytest.raises(Killed):
        run_rollback(live.paths, live.settings, reason="first")
    monkeypatch.undo()
    assert live.champion() == EQUAL
    assert history(live.registry.versions())[0].state == "started"
    run_rollback(live.paths, live.settings, reason="second")
    assert live.champion() == GOOD
    assert history(live.registry.versions())[0].state == "done"
