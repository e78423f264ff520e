"""Versions are made of finished runs, once, and carry where they came from."""

import pytest

from rakuten.errors import ContractError
from rakuten.stages.promotion import run_register
from tests.stages.promotion.conftest import GOOD, OTHER_SPLIT, Place

pytestmark = pytest.mark.xdist_group("registry")


def test_a_version_carries_lineage_and_scores(place: Place) -> None:
    version = place.version(GOOD)
    run = place.registry.connection.client.get_run(version.run_id)
    names = ("git_commit", "model_sha256", "split_fingerprint", "input_sha256.Y_train.csv")
    assert [version.tags[name] for name in names] == [run.data.tags[name] for name in names]
    assert version.tags["registered_by"]
    assert version.score("weighted_f1") == pytest.approx(
        run.data.metrics["held_out.weighted_f1"], abs=1e-6
    )


def test_registering_twice_makes_one_version(place: Place) -> None:
    run = place.version(GOOD).run_id
    assert run_register(place.paths, place.settings, run_id=run).number == GOOD
    assert len(place.registry.versions()) == 5
    assert place.aliases() == {"challenger": GOOD}


def test_the_champion_does_not_become_challenger(place: Place) -> None:
    place.promote(GOOD)
    run_register(place.paths, place.settings, run_id=place.version(GOOD).run_id)
    assert place.aliases() == {"champion": GOOD, "challenger": OTHER_SPLIT}


def test_an_unfinished_run_is_refused(place: Place) -> None:
    client = place.registry.connection.client
    experiment = client.get_experiment_by_name("rakuten-baseline").experiment_id
    run = client.create_run(experiment).info.run_id
    with pytest.raises(ContractError, match="not a finished training run"):
        run_register(place.paths, place.settings, run_id=run)
    assert len(place.registry.versions()) == 5
