"""The commands keep vectors of photos for the next run, where and if the settings say so."""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rakuten.features.descriptor import DescriptorEncoder
from rakuten.io import sha256_file
from rakuten.settings import ProjectPaths
from rakuten.stages.features import VECTORS
from rakuten.stages.train import TrainOutcome
from tests.cli.conftest import Answer

Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    log = logging.getLogger("rakuten")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture
def root(trained_project: tuple[ProjectPaths, TrainOutcome], tmp_path: Path) -> Path:
    """A finished project whose cache is empty."""
    fresh = shutil.ignore_patterns(".rakuten")
    return Path(shutil.copytree(trained_project[0].root, tmp_path / "project", ignore=fresh))


def caches(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.glob("vectors-*"))


def refuse(*_: object) -> None:
    raise AssertionError("a photo was encoded")


def test_a_second_run_of_features_and_predict_encodes_nothing(
    rakuten: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ProjectPaths(root)
    for command in ("features", "predict"):
        assert rakuten("--root", root, command).code == 0
    before = sha256_file(paths.processed / VECTORS), paths.predictions.read_bytes()
    assert caches(root / ".rakuten/cache") == [".sqlite"]
    monkeypatch.setattr(DescriptorEncoder, "encode_pixels", refuse)
    for command in ("features", "predict"):
        assert rakuten("--root", root, command).code == 0
    assert (sha256_file(paths.processed / VECTORS), paths.predictions.read_bytes()) == before


@pytest.mark.parametrize("setting", ["0", "elsewhere"])
def test_the_setting_moves_the_cache_or_switches_it_off(
    rakuten: Run, root: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("RAKUTEN_CACHE_DIR", setting)
    assert rakuten("--root", root, "features").code == 0
    assert not (root / ".rakuten/cache").exists()
    assert caches(root / setting) == ([] if setting == "0" else [".sqlite"])


def test_a_network_that_is_not_here_ends_features_with_what_to_do(rakuten: Run, root: Path) -> None:
    path = root / "params.yaml"
    text = path.read_text().replace("image_encoder: descriptor", "image_encoder: onnx")
    path.write_text(text.replace('sha256: ""', f"sha256: {'a' * 64}"))
    refused = rakuten("--root", root, "features")
    assert refused.code == 2
    assert "needs onnx.revision, or onnx.path" in refused.err
    path.write_text(path.read_text().replace('path: ""', "path: networks/none.onnx"))
    refused = rakuten("--root", root, "features")
    assert refused.code == 1
    assert "networks/none.onnx" in refused.err
    assert "hf download" in refused.err
