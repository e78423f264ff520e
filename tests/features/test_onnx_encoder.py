"""Any ONNX backbone gives one unit vector a photo, whatever the batch; a wrong one is named."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from PIL import Image

from rakuten.errors import ConfigurationError, DataNotFoundError, MissingExtraError
from rakuten.features.encoder import encode_each, encode_stream
from rakuten.features.onnx_encoder import OnnxEncoder
from rakuten.io import sha256_file
from rakuten.params import OnnxParams
from tests.features.networks import PATCH, SIDE, WIDTH, save_network
from tests.features.photos import photo


def make(weights: Path, params: OnnxParams, **changes: Any) -> OnnxEncoder:
    return OnnxEncoder(weights, OnnxParams.model_validate(params.model_dump() | changes))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OnnxParams]:
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    return path, save_network(path)


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def by_hand(path: Path, pixels: NDArray[np.uint8], params: OnnxParams) -> NDArray[np.float64]:
    """Tokens of the network, computed with NumPy in double precision."""
    constants = {
        entry.name: onnx.numpy_helper.to_array(entry).astype(np.float64)
        for entry in onnx.load(path).graph.initializer
    }
    shown = (pixels / 255 - np.array(params.mean)) / np.array(params.std)
    count, grid = len(pixels), SIDE // PATCH
    patches = shown.reshape(count, grid, PATCH, grid, PATCH, 3).transpose(0, 1, 3, 5, 2, 4)
    rows = patches.reshape(count, grid * grid, -1) @ constants["patches"].reshape(WIDTH, -1).T
    return np.asarray(np.tanh(rows + constants["places"]) @ constants["mix"])


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_vectors_are_the_networks_answer_at_unit_length(
    network: tuple[Path, OnnxParams], pooling: str
) -> None:
    path, params = network
    encoder = make(path, params, pooling=pooling)
    tokens = by_hand(path, pictures(3), params)
    expected = tokens[:, 0] if pooling == "cls" else tokens.mean(axis=1)
    found = encoder.encode_pixels(pictures(3))
    assert found.dtype == np.float32
    assert encoder.dimension == WIDTH
    np.testing.assert_allclose(found, unit(expected), atol=1e-6)


def test_a_pooled_output_is_taken_as_it_is(network: tuple[Path, OnnxParams]) -> None:
    path, params = network
    pooled = make(path, params, output="pooler_output", pooling="none")
    mean = make(path, params, pooling="mean")
    found = pooled.encode_pixels(pictures(5))
    np.testing.assert_allclose(found, mean.encode_pixels(pictures(5)), atol=1e-6)
    assert pooled.version != mean.version


def test_a_photo_has_the_same_vector_in_any_batch(network: tuple[Path, OnnxParams]) -> None:
    path, params = network
    together = make(path, params, batch_size=64).encode_pixels(pictures(33))
    for size in (1, 2, 7):
        parts = make(path, params, batch_size=size).encode_pixels(pictures(33))
        np.testing.assert_allclose(parts, together, atol=1e-6)
    alone = make(path, params).encode_pixels(pictures(33)[20:21])
    np.testing.assert_allclose(alone[0], together[20], atol=1e-6)


def test_the_number_of_threads_changes_no_bit(network: tuple[Path, OnnxParams]) -> None:
    encoder = make(*network)
    photos = [photo(number) for number in range(30)]
    one = np.concatenate([part.vectors for part in encode_stream(encoder, photos, threads=1)])
    four = np.concatenate([part.vectors for part in encode_stream(encoder, photos, threads=4)])
    assert np.array_equal(one, four)
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda _: encoder.encode(photos[:4]), range(16)))
    assert all(np.array_equal(vectors, one[:4]) for vectors in many)


def test_bytes_and_path_of_a_photo_give_the_same_vector(
    network: tuple[Path, OnnxParams], tmp_path: Path
) -> None:
    encoder = make(*network)
    (tmp_path / "photo.jpg").write_bytes(photo(1))
    assert np.array_equal(encoder.encode([tmp_path / "photo.jpg"]), encoder.encode([photo(1)]))


def test_bad_photos_are_zeros_and_say_so(network: tuple[Path, OnnxParams]) -> None:
    found = encode_each(make(*network), [photo(0), None, b"<html>", photo(1)])
    assert found.status == ["ok", "missing", "unreadable", "ok"]
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), [1, 0, 0, 1], atol=1e-6)


def test_no_photos_give_no_vectors(network: tuple[Path, OnnxParams]) -> None:
    assert make(*network).encode([]).shape == (0, WIDTH)


def test_photos_are_brought_to_size_as_the_parameters_say(
    network: tuple[Path, OnnxParams],
) -> None:
    picture = Image.fromarray(pictures(1)[0]).resize((50, 40), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    for name in ("bilinear", "bicubic", "lanczos"):
        found = make(*network, resample=name).decode(buffer.getvalue())
        expected = picture.resize((SIDE, SIDE), Image.Resampling[name.upper()])
        assert np.array_equal(found, np.asarray(expected))


@pytest.mark.parametrize(
    "form",
    [
        {"channels_last": True},
        {"batch": 1},
        {"side": "side"},
        {"channels_last": True, "batch": 1},
    ],
    ids=str,
)
def test_exports_of_other_forms_give_the_same_vectors(
    network: tuple[Path, OnnxParams], tmp_path: Path, form: dict[str, Any]
) -> None:
    params = save_network(tmp_path / "other.onnx", **form)
    other = OnnxEncoder(tmp_path / "other.onnx", params).encode_pixels(pictures(6))
    np.testing.assert_allclose(other, make(*network).encode_pixels(pictures(6)), atol=1e-6)


def test_a_half_precision_export_gives_nearly_the_same_vectors(
    network: tuple[Path, OnnxParams], tmp_path: Path
) -> None:
    params = save_network(tmp_path / "half.onnx", real=TensorProto.FLOAT16)
    half = OnnxEncoder(tmp_path / "half.onnx", params).encode_pixels(pictures(6))
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, make(*network).encode_pixels(pictures(6)), atol=5e-3)


def test_the_version_names_weights_and_preprocessing_and_nothing_else(
    network: tuple[Path, OnnxParams], tmp_path: Path
) -> None:
    path, params = network
    version = make(path, params).version
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    assert make(copy, params, path=str(copy), batch_size=1, repository="a/b").version == version
    other = save_network(tmp_path / "other.onnx", seed=1)
    changed = [
        OnnxEncoder(tmp_path / "other.onnx", other).version,
        make(path, params, mean=[0.5, 0.5, 0.5]).version,
        make(path, params, std=[0.5, 0.5, 0.5]).version,
        make(path, params, resample="bilinear").version,
        make(path, params, pooling="cls").version,
        make(path, params, output="pooler_output", pooling="none").version,
    ]
    assert len({version, *changed}) == 7


def test_the_description_holds_no_path_of_this_machine(network: tuple[Path, OnnxParams]) -> None:
    path, params = network
    encoder = make(path, params)
    assert str(path.parent) not in str(encoder.describe())
    assert encoder.describe()["onnx"]["sha256"] == params.sha256
    assert list(encoder.files().values()) == [path]


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ({"extra_input": True}, {}, "takes 2 inputs .*input_ids"),
        ({}, {"input_size": 64}, r"takes pixel_values .*32, 32\].* × 64 × 64"),
        ({"batch": 8}, {}, r"takes pixel_values .*\[8, 3"),
        ({"taken": TensorProto.UINT8}, {}, r"takes pixel_values tensor\(uint8\)"),
        ({"real": TensorProto.DOUBLE}, {}, "cannot be loaded.*NOT_IMPLEMENTED"),
        ({}, {"output": "embedding"}, "no output 'embedding'; it has last_hidden_state, pooler"),
        ({}, {"pooling": "none"}, "last_hidden_state is float32 of shape 1×16×12; pooling 'none'"),
        ({}, {"output": "pooler_output"}, "pooler_output is float32 of shape 1×12; pooling 'mean'"),
        ({}, {"output": "answer", "pooling": "none"}, "answer is int64"),
        ({"side": "side"}, {"input_size": 64}, "does not run on a picture of side 64"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_network_that_does_not_fit_is_named_with_what_it_has(
    tmp_path: Path, form: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "model.onnx"
    params = save_network(path, **form)
    with pytest.raises(ConfigurationError, match=message) as caught:
        make(path, params, **changes)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x0a" * 50])
def test_a_file_that_is_no_network_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be loaded as an ONNX network") as caught:
        OnnxEncoder(path, OnnxParams(sha256=sha256_file(path)))
    assert str(path) in caught.value.message


def test_a_network_in_several_files_is_refused_with_a_hint(
    network: tuple[Path, OnnxParams], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(
        onnx.load(network[0]),
        path,
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=0,
    )
    with pytest.raises(ConfigurationError, match="cannot be loaded") as caught:
        make(path, network[1], sha256=sha256_file(path))
    assert "one file" in (caught.value.hint or "")


def test_an_altered_file_is_refused_with_both_hashes(
    network: tuple[Path, OnnxParams], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(network[0].read_bytes()[:-1])
    with pytest.raises(ConfigurationError) as caught:
        OnnxEncoder(path, network[1])
    assert network[1].sha256 in caught.value.message
    assert sha256_file(path) in caught.value.message


def test_an_absent_file_is_no_network(network: tuple[Path, OnnxParams], tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"absent\.onnx"):
        OnnxEncoder(tmp_path / "absent.onnx", network[1])


def test_without_onnxruntime_the_install_command_is_shown(
    network: tuple[Path, OnnxParams], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="onnxruntime") as caught:
        make(*network)
    assert ".[deep]" in (caught.value.hint or "")
