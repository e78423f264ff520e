"""Simulated traffic draws real products once, changes what it says, and names what it lacks."""

import shutil
from pathlib import Path

import pytest

from rakuten.client import Client
from rakuten.errors import ConfigurationError, ContractError
from rakuten.monitoring.kinds import Drift, Strength
from rakuten.monitoring.simulated_traffic import (
    Listing,
    drift_listings,
    read_listings,
    send_listings,
    training_words,
)


@pytest.fixture(scope="module")
def listings(sample_catalogue: Path) -> list[Listing]:
    return read_listings(sample_catalogue)


def drifted(listings: list[Listing], drift: Drift, rows: int = 40) -> list[Listing]:
    return drift_listings(listings, drift, Strength.STRONG, rows=rows, known=set(), seed=3)


def test_listings_are_test_products_with_their_types(
    sample_catalogue: Path, listings: list[Listing]
) -> None:
    rows = (sample_catalogue / "Y_test.csv").read_text(encoding="utf-8").count("\n") - 1
    assert len(listings) == rows
    assert all(one.prdtypecode for one in listings)
    assert any(isinstance(one.product.image, Path) for one in listings)


def test_traffic_without_drift_is_each_product_once(listings: list[Listing]) -> None:
    drawn = drifted(listings, Drift.NONE, len(listings))
    assert drawn != listings
    assert {id(one.product) for one in drawn} == {id(one.product) for one in listings}


@pytest.mark.parametrize(("drift", "share"), [("new-vocabulary", 0.4), ("missing-photos", 0.4)])
def test_drift_changes_its_share_of_the_same_draw(
    listings: list[Listing], drift: str, share: float
) -> None:
    quiet, changed = drifted(listings, Drift.NONE), drifted(listings, Drift(drift))
    differ = [new != old for new, old in zip(changed, quiet, strict=True)]
    assert sum(differ) == round(share * 40)
    assert [one.prdtypecode for one in changed] == [one.prdtypecode for one in quiet]


def test_a_class_mix_is_drawn_from_the_same_products(listings: list[Listing]) -> None:
    assert {id(one) for one in drifted(listings, Drift.CLASS_MIX)} <= {id(one) for one in listings}


def test_more_listings_than_there_are_is_refused(listings: list[Listing]) -> None:
    with pytest.raises(ConfigurationError, match=f"X_test.csv has {len(listings)}"):
        drifted(listings, Drift.NONE, len(listings) + 1)


def test_without_types_there_is_no_class_mix_and_no_label(
    sample_catalogue: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(sample_catalogue, raw)
    (raw / "Y_test.csv").unlink()
    unlabelled = read_listings(raw)
    assert len(drifted(unlabelled, Drift.NEW_VOCABULARY)) == 40
    with pytest.raises(ConfigurationError, match="class mix needs the true types"):
        drifted(unlabelled, Drift.CLASS_MIX)
    with Client() as client, pytest.raises(ConfigurationError, match="types of the listings"):
        send_listings(client, unlabelled, label_share=0.5)


def test_a_product_without_its_label_is_named(sample_catalogue: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(sample_catalogue, raw)
    labels = raw / "Y_test.csv"
    lines = labels.read_text(encoding="utf-8").splitlines()
    labels.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(ContractError, match=f"no row for .*{lines[-1].split(',')[0]}"):
        read_listings(raw)


def test_training_words_are_those_of_both_texts(sample_catalogue: Path) -> None:
    words = training_words(sample_catalogue)
    assert len(words) > 100
    assert all(word == word.lower() and len(word) >= 3 for word in words)
