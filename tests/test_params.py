"""params.yaml is checked value by value, and a mistake is named by its place."""

from pathlib import Path

import pytest
import yaml

from rakuten.errors import ConfigurationError
from rakuten.params import Params, load_params

COMMITTED = Path(__file__).resolve().parents[1] / "params.yaml"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_committed_parameters_are_the_defaults() -> None:
    assert load_params(COMMITTED) == Params()


def test_committed_parameters_name_every_parameter() -> None:
    assert yaml.safe_load(COMMITTED.read_text(encoding="utf-8")) == Params().model_dump(mode="json")


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "train: {}\n"])
def test_what_is_left_out_has_its_default(tmp_path: Path, text: str) -> None:
    assert load_params(write(tmp_path, text)) == Params()


def test_one_value_changes_alone(tmp_path: Path) -> None:
    params = load_params(write(tmp_path, "train:\n  text:\n    hash_bits: 12\n"))
    assert params.train.text.hash_bits == 12
    assert params.train.image == Params().train.image


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("spilt: {}", "spilt", id="unknown-section"),
        pytest.param("train: {text: {hash_bit: 12}}", "train.text.hash_bit", id="unknown-key"),
        pytest.param("train: {folds: many}", "train.folds", id="text-for-number"),
        pytest.param("train: {folds: 2.5}", "train.folds", id="fraction-for-count"),
        pytest.param("train: {folds: [5]}", "train.folds", id="list-for-number"),
        pytest.param("train: 5", "train", id="number-for-section"),
        pytest.param("train:", "train", id="nothing-for-section"),
        pytest.param("train: {folds: 1}", "train.folds", id="too-few-folds"),
        pytest.param("train: {text: {hash_bits: 40}}", "train.text.hash_bits", id="too-many-bits"),
        pytest.param("train: {fusion: {penalty: 0}}", "train.fusion.penalty", id="zero-penalty"),
        pytest.param("train: {seed: -1}", "train.seed", id="negative-seed"),
        pytest.param("split: {test_size: 1.0}", "split.test_size", id="all-held-out"),
        pytest.param("split: {test_size: .nan}", "split.test_size", id="not-a-number"),
        pytest.param("split: {scheme: random}", "split.scheme", id="unknown-scheme"),
        pytest.param("features: {image_encoder: x}", "features.image_encoder", id="encoder"),
        pytest.param(
            "train: {decision: {target_precision: 1}}",
            "train.decision.target_precision",
            id="certain",
        ),
        pytest.param("predict: {batch_size: 0}", "predict.batch_size", id="no-batch"),
        pytest.param("split: {seed: 4294967296}", "split.seed", id="seed-beyond-32-bits"),
        pytest.param(
            "train: {text: {regularisation: .inf}}", "train.text.regularisation", id="infinite"
        ),
        pytest.param(
            "monitoring: {retraining: {violated: 4}}", "monitoring.retraining", id="out-of-reach"
        ),
        pytest.param("- a\n- b", "params.yaml", id="list"),
        pytest.param("words", "params.yaml", id="words"),
    ],
)
def test_a_mistake_is_named_by_its_place(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_params(write(tmp_path, text))
    assert f": {where}: " in caught.value.message
    assert caught.value.exit_code == 2


COMMIT, SHA256 = "0123456789abcdef0123456789abcdef01234567", "a" * 64


@pytest.mark.parametrize("source", [f'revision: "{COMMIT}"', "path: networks/model.onnx"])
def test_the_network_encoder_takes_a_pinned_file(tmp_path: Path, source: str) -> None:
    text = f"features: {{image_encoder: onnx, onnx: {{{source}, sha256: {SHA256}}}}}"
    onnx = load_params(write(tmp_path, text)).features.onnx
    assert onnx.sha256 == SHA256
    assert onnx.mean == [0.485, 0.456, 0.406]


@pytest.mark.parametrize(
    ("onnx", "message"),
    [
        ("{}", "needs onnx.sha256"),
        (f'{{revision: "{COMMIT}"}}', "needs onnx.sha256"),
        (f"{{sha256: {SHA256}}}", "needs onnx.revision, or onnx.path"),
    ],
)
def test_the_network_encoder_does_not_go_without_a_pin(
    tmp_path: Path, onnx: str, message: str
) -> None:
    path = write(tmp_path, f"features: {{image_encoder: onnx, onnx: {onnx}}}")
    with pytest.raises(ConfigurationError, match=message):
        load_params(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("revision", "main"),
        ("revision", "v1.0"),
        ("revision", "0123456"),
        ("revision", COMMIT.upper()),
        ("sha256", COMMIT),
        ("repository", "dinov2-small"),
        ("repository", "../../etc"),
        ("file", "model.bin"),
        ("file", "../model.onnx"),
        ("file", "/model.onnx"),
        ("input_size", 0),
        ("mean", [0.5]),
        ("std", [0.5, 0.5, 0]),
        ("resample", "nearest"),
        ("pooling", "max"),
        ("output", ""),
        ("batch_size", 0),
        ("providers", "CUDA"),
    ],
)
def test_a_mistake_about_the_network_is_named_by_its_place(
    tmp_path: Path, name: str, value: object
) -> None:
    text = yaml.safe_dump({"features": {"onnx": {name: value}}})
    with pytest.raises(ConfigurationError) as caught:
        load_params(write(tmp_path, text))
    assert f": features.onnx.{name}" in caught.value.message


def test_an_absent_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no params\.yaml") as caught:
        load_params(tmp_path / "params.yaml")
    assert str(tmp_path) in caught.value.message
    assert "--root" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"a: [1,", b"\tx: 1", b"a: b: c", b"\xff\xfe\x00", b"a: \x00"])
def test_a_file_that_is_not_yaml_is_a_configuration_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="Cannot read"):
        load_params(path)


def test_yaml_that_would_build_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        load_params(write(tmp_path, "!!python/object/apply:os.getcwd []"))


def test_parameters_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Params().train.__setattr__("folds", 7)
