"""The sample in data/raw: put there freely, never over a catalogue of the user's."""

from pathlib import Path

import pytest

from rakuten.data.raw_folder import place_sample, raw_state
from rakuten.errors import ConfigurationError, ContractError


def test_a_sample_fills_an_empty_folder_and_keeps_its_git_file(tmp_path: Path) -> None:
    target = tmp_path / "raw"
    target.mkdir()
    (target / ".gitkeep").touch()
    report = place_sample(target, rows=60)
    assert report is not None
    assert report.train_rows + report.test_rows == 60
    assert raw_state(target) == "sample"
    assert (target / ".gitkeep").exists()


def test_a_sample_is_left_alone_only_if_asked(tmp_path: Path) -> None:
    target = tmp_path / "raw"
    place_sample(target, rows=60)
    before = (target / "X_train.csv").read_bytes()
    assert place_sample(target, rows=60, seed=1, if_empty=True) is None
    assert (target / "X_train.csv").read_bytes() == before
    assert place_sample(target, rows=60, seed=1) is not None
    assert (target / "X_train.csv").read_bytes() != before


def test_a_catalogue_is_never_overwritten_by_a_sample(tmp_path: Path) -> None:
    target = tmp_path / "raw"
    place_sample(target, rows=60)
    with (target / "X_train.csv").open("a") as handle:
        handle.write("9999,mine,,1,2\n")
    with pytest.raises(ContractError, match="never replaces"):
        place_sample(target, rows=60)
    assert place_sample(target, rows=60, if_empty=True) is None
    assert "mine" in (target / "X_train.csv").read_text()


def test_a_sample_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "raw"
    place_sample(target, rows=60)
    with pytest.raises(ConfigurationError, match="too small"):
        place_sample(target, rows=10)
    assert raw_state(target) == "sample"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".raw.lock", "raw"]


@pytest.mark.parametrize("if_empty", [True, False])
def test_a_sample_never_takes_the_place_of_a_catalogue_that_dvc_keeps(
    tmp_path: Path, if_empty: bool
) -> None:
    target = tmp_path / "raw"
    (tmp_path / "raw.dvc").write_text("outs: []\n")
    assert raw_state(target) == "unfetched"
    with pytest.raises(ContractError, match="dvc pull brings it"):
        place_sample(target, rows=60, if_empty=if_empty)
    assert not target.exists()
