"""The champion's reference: fetched once, verified, kept by the model's hash."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rakuten.errors import ModelError, TrackingError
from rakuten.monitoring.live import FOLDER, KEPT, LiveModel, find_champion, read_live
from rakuten.settings import ProjectPaths, Settings
from rakuten.tracking.registry import CHAMPION, Version
from tests.monitoring.conftest import (
    HELD_OUT_F1,
    REFERENCE,
    Shop,
    make_home,
    register_champion,
    write_reference,
)
from tests.monitoring.material import make_rows


def read(shop: Shop) -> LiveModel:
    """Ask for the champion's reference."""
    return read_live(shop.registry, find_champion(shop.registry), shop.paths.root / FOLDER)


def test_reference_is_that_of_the_champion(shop: Shop) -> None:
    found = read(shop)
    assert found.reference == REFERENCE
    assert (found.version.number, found.held_out_f1) == (1, HELD_OUT_F1)
    assert found.labels[10] == "<b>type 10</b>"


def test_second_look_needs_no_artifact_store_and_damage_is_noticed(tmp_path: Path) -> None:
    shop = Shop(make_home(tmp_path), Settings())
    first = read(shop)
    kept = tmp_path / FOLDER / first.version.model_sha256
    assert sorted(path.name for path in kept.iterdir()) == ["manifest.json", "reference.npz"]
    (tmp_path / "mlartifacts").rename(tmp_path / "away")
    assert read(shop).reference == REFERENCE
    (kept / "reference.npz").write_bytes(b"torn")
    with pytest.raises(TrackingError):
        read(shop)
    (tmp_path / "away").rename(tmp_path / "mlartifacts")
    assert read(shop).reference == REFERENCE
    (kept / "manifest.json").write_text("{}")
    assert read(shop).reference == REFERENCE
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [kept.name]


def test_another_champion_has_its_own_reference_and_only_some_stay(tmp_path: Path) -> None:
    shop = Shop(make_home(tmp_path), Settings())
    first = read(shop).version
    for number in range(KEPT):
        old = tmp_path / FOLDER / f"{number:064x}"
        shutil.copytree(tmp_path / FOLDER / first.model_sha256, old)
    shutil.rmtree(tmp_path / FOLDER / first.model_sha256)
    for name in ("fetching-killed", "fetching-now"):
        (tmp_path / FOLDER / name).mkdir()
    os.utime(tmp_path / FOLDER / "fetching-killed", (0, 0))
    rows = make_rows(120, 77)
    write_reference(shop.paths.model, rows)
    register_champion(shop.paths, shop.settings)
    found = read(shop)
    assert (found.version.number, found.reference) == (2, rows)
    names = [path.name for path in (tmp_path / FOLDER).iterdir()]
    assert len(names) == KEPT + 1
    assert "fetching-now" in names
    assert found.version.model_sha256 in names


def test_version_without_a_hash_is_refused(shop: Shop) -> None:
    version: Version = replace(find_champion(shop.registry), tags={"model_sha256": "../.."})
    with pytest.raises(ModelError, match="which model it is"):
        read_live(shop.registry, version, shop.paths.root / FOLDER)


def test_no_champion_is_no_outage(tmp_path: Path) -> None:
    shop = Shop(ProjectPaths(tmp_path), Settings())
    assert shop.registry.by_alias(CHAMPION) is None
    with pytest.raises(ModelError, match="is champion"):
        find_champion(shop.registry)
