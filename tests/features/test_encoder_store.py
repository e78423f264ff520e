"""An encoder is made again from what was kept of it, or refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rakuten.errors import ConfigurationError, DataNotFoundError, ModelError
from rakuten.features.encoder import ImageEncoder
from rakuten.features.encoder_store import (
    DESCRIPTION,
    load_encoder,
    prepare_encoder,
    restore_encoder,
    save_encoder,
)
from rakuten.features.onnx_encoder import WEIGHTS
from rakuten.params import FeaturesParams, OnnxParams
from tests.features.networks import save_network
from tests.features.photos import photo


@pytest.fixture
def onnx(tmp_path: Path) -> OnnxParams:
    return save_network(tmp_path / "network.onnx").model_copy(update={"path": "network.onnx"})


@pytest.fixture(params=["descriptor", "onnx"])
def encoder(request: pytest.FixtureRequest, onnx: OnnxParams, tmp_path: Path) -> ImageEncoder:
    return prepare_encoder(FeaturesParams(image_encoder=request.param, onnx=onnx), tmp_path)


def alter(folder: Path, **changes: Any) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_encoder_that_was_kept_gives_the_same_vectors(
    encoder: ImageEncoder, tmp_path: Path
) -> None:
    save_encoder(encoder, tmp_path / "kept")
    (tmp_path / "network.onnx").unlink()
    again = load_encoder(tmp_path / "kept")
    assert again.describe() == encoder.describe()
    photos = [photo(number) for number in range(3)]
    assert np.array_equal(again.encode(photos), encoder.encode(photos))


def test_keeping_an_encoder_replaces_the_older_one_as_a_whole(
    onnx: OnnxParams, tmp_path: Path
) -> None:
    params = FeaturesParams(image_encoder="onnx", onnx=onnx)
    save_encoder(prepare_encoder(params, tmp_path), tmp_path / "kept")
    save_encoder(prepare_encoder(FeaturesParams(), tmp_path), tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [DESCRIPTION]
    assert load_encoder(tmp_path / "kept").name == "descriptor"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "network.onnx"]


def test_what_is_kept_is_the_same_on_every_machine(onnx: OnnxParams, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        content = (tmp_path / "network.onnx").read_bytes()
        (tmp_path / folder / f"{folder}.onnx").write_bytes(content)
        here = onnx.model_copy(update={"path": f"{folder}.onnx"})
        params = FeaturesParams(image_encoder="onnx", onnx=here)
        save_encoder(prepare_encoder(params, tmp_path / folder), tmp_path / folder / "kept")
    for name in (DESCRIPTION, WEIGHTS):
        one, two = tmp_path / "one/kept" / name, tmp_path / "two/kept" / name
        assert one.read_bytes() == two.read_bytes()


def test_another_version_is_refused(encoder: ImageEncoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path / "kept")
    alter(tmp_path / "kept", version="0")
    with pytest.raises(ModelError, match=f"needs image encoder {encoder.name} 0; this version has"):
        load_encoder(tmp_path / "kept")


def test_altered_or_absent_weights_are_refused(onnx: OnnxParams, tmp_path: Path) -> None:
    params = FeaturesParams(image_encoder="onnx", onnx=onnx)
    save_encoder(prepare_encoder(params, tmp_path), tmp_path / "kept")
    weights = tmp_path / "kept" / WEIGHTS
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="sha256"):
        load_encoder(tmp_path / "kept")
    weights.unlink()
    with pytest.raises(ModelError, match=WEIGHTS):
        load_encoder(tmp_path / "kept")


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"name": "onnx"},
        {"name": "onnx", "onnx": {}},
        {"name": "onnx", "onnx": {"revision": "main"}},
        {"name": "onnx", "onnx": 5},
        {"name": "resnet", "version": "1"},
        {"name": None, "version": "1"},
        [],
    ],
    ids=str,
)
def test_a_description_of_no_encoder_is_a_model_error(tmp_path: Path, description: Any) -> None:
    with pytest.raises(ModelError):
        restore_encoder(description, tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_a_folder_without_a_description_is_a_model_error(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / DESCRIPTION).write_bytes(content)
    with pytest.raises(ModelError, match=r"encoder\.json cannot be read"):
        load_encoder(tmp_path)


def test_weights_that_the_parameters_do_not_fit_are_a_configuration_error(
    onnx: OnnxParams, tmp_path: Path
) -> None:
    other = onnx.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ConfigurationError, match="0000"):
        prepare_encoder(FeaturesParams(image_encoder="onnx", onnx=other), tmp_path)
    absent = onnx.model_copy(update={"path": "absent.onnx"})
    with pytest.raises(DataNotFoundError, match=r"absent\.onnx"):
        prepare_encoder(FeaturesParams(image_encoder="onnx", onnx=absent), tmp_path)
