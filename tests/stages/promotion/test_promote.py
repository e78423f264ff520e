"""The gate on a real registry: the right verdict for each kind of challenger, and nothing lost."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from rakuten.errors import ConfigurationError, ContractError, PromotionError, TrackingError
from rakuten.io import read_csv
from rakuten.params import GateFloors
from rakuten.tracking.gate import Verdict
from rakuten.tracking.moves import history
from tests.stages.promotion.conftest import (
    EQUAL,
    GOOD,
    OTHER_SPLIT,
    RUINED,
    WEAK,
    Place,
)

pytestmark = pytest.mark.xdist_group("registry")


def failed(verdict: Verdict | None) -> set[str]:
    """Names of the conditions that do not hold."""
    assert verdict is not None
    return {check.name for check in verdict.failures()}


@contextmanager
def damaged(place: Place, version: int, name: str) -> Iterator[None]:
    """A file of a version's artifact with some bytes changed, for a while."""
    run = place.version(version).run_id
    client = place.registry.connection.client
    model = client.get_run(run).outputs.model_outputs[0].model_id
    root = client.get_logged_model(model).artifact_location.removeprefix("file://")
    (path,) = Path(root).glob(f"data/**/{name}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes(100))
    try:
        yield
    finally:
        path.write_bytes(whole)


def test_the_first_version_goes_live_over_the_floors(place: Place) -> None:
    found = place.promote(GOOD)
    assert found.state == "promoted"
    assert found.champion is None
    assert place.aliases() == {"champion": GOOD, "challenger": OTHER_SPLIT}
    assert found.report is not None
    written = json.loads(found.report.read_text())
    assert written["passed"] is True
    assert written["versions"]["challenger"]["run_id"] == place.version(GOOD).run_id
    assert written["rows"] == len(read_csv(place.paths.processed / "heldout.csv"))


def test_the_first_version_must_reach_the_floors(place: Place) -> None:
    found = place.promote(WEAK)
    assert found.state == "refused"
    assert failed(found.verdict) >= {"floor weighted_f1", "floor macro_f1"}
    assert place.champion() is None


def test_the_challenger_is_taken_where_no_version_is_named(place: Place) -> None:
    place.hold("other")
    found = place.promote()
    assert found.challenger.number == OTHER_SPLIT
    assert place.aliases() == {"champion": OTHER_SPLIT}
    again = place.promote()
    assert again.state == "unchanged"
    assert again.verdict is None


def test_a_worse_challenger_is_refused(place: Place) -> None:
    place.promote(GOOD)
    found = place.promote(WEAK)
    assert found.state == "refused"
    assert "weighted F1" in failed(found.verdict)
    assert place.champion() == GOOD
    kept = json.loads(place.version(WEAK).tags["gate"])
    assert kept["outcome"].startswith("failed: ")
    assert kept["beside"] == GOOD


def test_a_better_challenger_that_ruins_a_class_is_refused(place: Place) -> None:
    place.promote(WEAK, mode="force", reason="a poor start")
    found = place.promote(RUINED)
    assert found.state == "refused"
    assert found.verdict is not None
    assert found.verdict.champion is not None
    better, before = (
        scores["weighted_f1"] for scores in (found.verdict.challenger, found.verdict.champion)
    )
    assert better is not None
    assert before is not None
    assert better > before + 0.1
    assert "classes" in failed(found.verdict)
    assert "weighted F1" not in failed(found.verdict)
    (check,) = [c for c in found.verdict.checks if c.name == "classes"]
    assert str(place.home.ruined) in check.detail
    assert place.champion() == WEAK


def test_an_equal_challenger_passes(place: Place) -> None:
    place.promote(GOOD)
    found = place.promote(EQUAL)
    assert found.state == "promoted"
    assert place.aliases() == {"champion": EQUAL, "previous": GOOD, "challenger": OTHER_SPLIT}


def test_scores_of_different_splits_are_never_compared(place: Place) -> None:
    place.promote(GOOD)
    found = place.promote(OTHER_SPLIT)
    assert found.state == "refused"
    assert failed(found.verdict) == {"split"}
    assert found.verdict is not None
    assert "--rebase" in found.verdict.checks[0].detail
    assert place.champion() == GOOD


def test_a_rebase_compares_with_the_champions_params_on_the_new_training_side(
    place: Place,
) -> None:
    place.promote(GOOD)
    place.hold("other")
    found = place.promote(OTHER_SPLIT, rebase=True)
    assert found.verdict is not None
    # The same params, rows and seed: the retrained champion is the challenger to the bit.
    assert found.verdict.champion is not None
    for name in ("weighted_f1", "calibration_error", "coverage", "size_mib"):
        assert found.verdict.champion[name] == found.verdict.challenger[name]
    assert found.state == "promoted"
    assert place.aliases() == {"champion": OTHER_SPLIT, "previous": GOOD}


@pytest.mark.parametrize("mode", ["normal", "force"])
def test_a_broken_artifact_never_goes_live(place: Place, mode: str) -> None:
    place.promote(GOOD)
    with damaged(place, EQUAL, "fusion.npz"):
        found = place.promote(EQUAL, mode=mode, reason="hurry")
    assert found.state == "refused"
    assert failed(found.verdict) == {"artifact"}
    assert place.champion() == GOOD


def test_a_champion_that_cannot_be_scored_is_not_compared_with(place: Place) -> None:
    place.promote(GOOD)
    with damaged(place, GOOD, "manifest.json"):
        found = place.promote(EQUAL)
        assert found.state == "refused"
        assert failed(found.verdict) == {"champion"}
        forced = place.promote(EQUAL, mode="force", reason="the champion's artifact is damaged")
    assert forced.state == "promoted"
    assert failed(forced.verdict) == {"champion"}


def test_a_dry_run_changes_nothing(place: Place) -> None:
    place.promote(GOOD)
    before = place.registry.versions()
    assert place.promote(EQUAL, mode="dry_run").state == "would_promote"
    assert place.promote(WEAK, mode="dry_run").state == "refused"
    assert place.registry.versions() == before


def test_force_needs_a_reason_and_is_recorded(place: Place) -> None:
    place.promote(GOOD)
    with pytest.raises(ConfigurationError, match="reason"):
        place.promote(WEAK, mode="force", reason=" ")
    found = place.promote(WEAK, mode="force", reason="the labels were wrong")
    assert found.state == "promoted"
    move = history(place.registry.versions())[0]
    assert (move.kind, move.origin, move.to, move.by) == ("promotion", GOOD, WEAK, "tests")
    assert move.why == "the labels were wrong"
    assert "weighted F1" in move.verdict
    both = [place.version(number).tags for number in (GOOD, WEAK)]
    assert [sum(key.startswith("move.") for key in tags) for tags in both] == [2, 1]


def test_the_verdict_is_kept_with_the_run(place: Place) -> None:
    found = place.promote(GOOD)
    assert found.report is not None
    listed = place.registry.connection.client.list_artifacts(found.challenger.run_id, "gate")
    assert f"gate/{found.report.name}" in {entry.path for entry in listed}


def test_a_registry_outage_never_promotes(live: Place) -> None:
    database = live.paths.root / "mlflow.db"
    whole = database.read_bytes()
    database.write_bytes(b"this is no database" * 1000)
    for mode in ("normal", "force"):
        with pytest.raises(TrackingError):
            live.promote(GOOD, mode=mode, reason="now")
    database.write_bytes(whole)
    assert live.champion() == EQUAL


def test_an_unknown_version_is_named(place: Place) -> None:
    with pytest.raises(PromotionError, match="no version 99"):
        place.promote(99)


def test_held_out_rows_of_another_split_are_not_taken(place: Place) -> None:
    with pytest.raises(ContractError, match="neither in"):
        place.promote(OTHER_SPLIT)
    assert place.champion() is None


def test_older_held_out_rows_come_from_dvc_by_their_fingerprint(place: Place) -> None:
    """Another split was trained since; DVC still has the rows, the run knows their hash."""
    root = place.paths.root
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    place.hold("other")
    rows = place.paths.processed / "heldout.csv"
    subprocess.run([sys.executable, "-m", "dvc", "add", "-q", str(rows)], cwd=root, check=True)
    outs = yaml.safe_load((rows.parent / "heldout.csv.dvc").read_text())["outs"]
    outputs = root / "pipeline_outputs.json"
    outputs.write_text(json.dumps({"train": {"data/processed/heldout.csv": outs[0]["md5"]}}))
    run = place.version(OTHER_SPLIT).run_id
    place.registry.connection.client.log_artifact(run, str(outputs))
    rows.unlink()
    place.hold("main")
    found = place.promote(OTHER_SPLIT)
    assert found.state == "promoted"
    assert found.verdict is not None
    assert found.verdict.rows == len(read_csv(place.home.paths.processed / "heldout-other.csv"))


def test_of_two_promoters_at_once_one_wins_and_the_other_is_told(place: Place) -> None:
    place.promote(WEAK, mode="force", reason="a start")
    floors = GateFloors(weighted_f1=0, macro_f1=0)
    gate = place.params.gate.model_copy(update={"floors": floors, "calibration_error": 1.0})
    params = place.params.model_copy(update={"gate": gate})
    place.paths.params.write_text(json.dumps(params.model_dump(mode="json")))
    environment = {**os.environ, "RAKUTEN_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rakuten.cli", "promote", "--version"]
    processes = [
        subprocess.Popen(
            [*command, str(version)],
            cwd=place.paths.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in (GOOD, EQUAL)
    ]
    texts = [process.communicate(timeout=120) for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1], texts
    told = texts[codes.index(1)][1]
    assert "faster" in told or "under way" in told
    winner = (GOOD, EQUAL)[codes.index(0)]
    assert place.aliases() == {
        "champion": winner,
        "previous": WEAK,
        "challenger": OTHER_SPLIT,
    }
