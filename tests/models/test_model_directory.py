"""A model directory is whole, unaltered and free of pickle, or it is refused."""

import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rakuten.errors import ModelError, StorageError
from rakuten.io import sha256_file
from rakuten.models.model_directory import (
    FORMAT_VERSION,
    MANIFEST,
    model_sha256,
    read_arrays,
    read_manifest,
    verify_files,
    write_model,
)
from rakuten.models.predictor import Predictor
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome

ARRAYS = {"part": {"x": np.arange(500.0), "y": np.ones((3, 4), dtype=np.float32)}}


@pytest.fixture
def model(trained_project: tuple[ProjectPaths, TrainOutcome], tmp_path: Path) -> Path:
    """A copy of the trained model, to be spoilt."""
    copy = tmp_path / "model"
    shutil.copytree(trained_project[0].model, copy)
    return copy


def edit_manifest(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((model / MANIFEST).read_text())
    change(manifest)
    (model / MANIFEST).write_text(json.dumps(manifest))


def rehash(model: Path, name: str) -> None:
    """Make the manifest agree with a file that was changed."""
    edit_manifest(model, lambda m: m["files"].update({name: sha256_file(model / name)}))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- writing -------------------------------------------------------------------------------


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_model(tmp_path / "model", ARRAYS, [{"a": 1}], {"classes": [1]})
    manifest = read_manifest(tmp_path / "model")
    assert manifest["format_version"] == FORMAT_VERSION
    assert manifest["classes"] == [1]
    assert set(manifest["files"]) == {"golden.json", "part.npz"}
    verify_files(tmp_path / "model", manifest)
    for name, array in read_arrays(tmp_path / "model", "part").items():
        assert np.array_equal(array, ARRAYS["part"][name])
        assert array.dtype == ARRAYS["part"][name].dtype
    assert names(tmp_path) == ["model"]


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model(tmp_path / name, ARRAYS, [], {"classes": [1]})
    assert model_sha256(tmp_path / "a") == model_sha256(tmp_path / "b")
    write_model(tmp_path / "b", {"part": {"x": np.zeros(3)}}, [], {"classes": [1]})
    assert model_sha256(tmp_path / "a") != model_sha256(tmp_path / "b")


def test_a_new_model_replaces_the_older_one_as_a_whole(tmp_path: Path) -> None:
    write_model(tmp_path / "model", {"old": {"x": np.zeros(3)}}, [], {})
    write_model(tmp_path / "model", ARRAYS, [], {})
    assert names(tmp_path / "model") == ["golden.json", "manifest.json", "part.npz"]


def test_objects_are_never_written_and_the_older_model_stays(tmp_path: Path) -> None:
    write_model(tmp_path / "model", ARRAYS, [], {})
    before = model_sha256(tmp_path / "model")
    with pytest.raises(ValueError, match="Object arrays"):
        write_model(tmp_path / "model", {"part": {"x": np.array([{}], dtype=object)}}, [], {})
    assert model_sha256(tmp_path / "model") == before
    write_model(tmp_path / "model", ARRAYS, [], {})
    assert names(tmp_path) == ["model"]


def test_a_full_disk_keeps_the_older_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "model", ARRAYS, [], {})
    before = model_sha256(tmp_path / "model")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        with pytest.raises(StorageError, match="No space left"):
            write_model(tmp_path / "model", {"other": {"x": np.zeros(1)}}, [], {})
    assert model_sha256(tmp_path / "model") == before


def test_a_model_is_never_absent_while_it_is_replaced_and_its_writer_killed(
    tmp_path: Path,
) -> None:
    model = tmp_path / "model"
    write_model(model, ARRAYS, [], {"classes": ["old"]})
    script = (
        "import sys, numpy\nfrom pathlib import Path\n"
        "from rakuten.models.model_directory import write_model\n"
        "arrays = {'a': {'b': numpy.ones(3)}}\n"
        "while True:\n"
        "    write_model(Path(sys.argv[1]), arrays, [], {'classes': ['new']})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(model)])
    try:
        deadline, seen = time.monotonic() + 20, 0
        while seen < 200 and time.monotonic() < deadline:
            seen += read_manifest(model)["classes"] == ["new"]
    finally:
        writer.kill()
        writer.wait()
    assert seen == 200
    assert read_manifest(model)["classes"] == ["new"]


# --- reading -------------------------------------------------------------------------------


def test_an_untouched_copy_loads(model: Path) -> None:
    assert Predictor.load(model).types


def test_no_model_says_how_to_get_one(tmp_path: Path) -> None:
    for read in (read_manifest, model_sha256, Predictor.load):
        with pytest.raises(ModelError, match="There is no model") as caught:
            read(tmp_path / "nothing")
        assert "rakuten train" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "name",
    [
        *("text.npz", "vectoriser.npz", "image.npz", "fusion.npz"),
        *("embedding.npz", "reference.npz", "golden.json"),
    ],
)
def test_an_altered_file_is_refused(model: Path, name: str) -> None:
    data = bytearray((model / name).read_bytes())
    data[len(data) // 2] ^= 1
    (model / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"{name} does not match its hash"):
        Predictor.load(model)


@pytest.mark.parametrize("name", ["text.npz", "golden.json"])
def test_an_absent_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(ModelError, match=f"lacks the file {name}"):
        Predictor.load(model)


def test_a_file_cut_short_is_refused(model: Path) -> None:
    data = (model / "image.npz").read_bytes()
    (model / "image.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="altered or cut short"):
        Predictor.load(model)
    rehash(model, "image.npz")
    with pytest.raises(ModelError, match="cannot be read as plain arrays"):
        Predictor.load(model)


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_another_format_version_is_refused(model: Path, version: object) -> None:
    edit_manifest(model, lambda m: m.update(format_version=version))
    with pytest.raises(ModelError, match=f"model format {version}") as caught:
        Predictor.load(model)
    assert "retrain it" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_manifest_that_is_none_is_refused(model: Path, content: bytes) -> None:
    (model / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError):
        Predictor.load(model)


@pytest.mark.parametrize(
    "name", ["files", "classes", "branches", "text_version", "image_encoder", "threshold", "params"]
)
def test_a_manifest_that_lacks_a_part_is_refused(model: Path, name: str) -> None:
    edit_manifest(model, lambda m: m.pop(name))
    with pytest.raises(ModelError):
        Predictor.load(model)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"text_version": "0"}, id="text-form"),
        pytest.param(
            {"image_encoder": {"name": "descriptor", "version": "0"}}, id="encoder-version"
        ),
        pytest.param({"image_encoder": {"name": "resnet", "version": "1"}}, id="unknown-encoder"),
        pytest.param({"params": {"text": {"hash_bits": "many"}}}, id="parameters"),
        pytest.param({"threshold": {"confidence": 0.5, "other": 1}}, id="threshold"),
        pytest.param({"files": []}, id="files"),
        pytest.param({"classes": [{"code": 10}]}, id="classes"),
    ],
)
def test_a_manifest_of_another_version_is_refused(model: Path, changes: dict[str, Any]) -> None:
    edit_manifest(model, lambda m: m.update(changes))
    with pytest.raises(ModelError):
        Predictor.load(model)


def test_a_file_that_the_manifest_does_not_vouch_for_is_not_loaded(model: Path) -> None:
    edit_manifest(model, lambda m: m["files"].pop("text.npz"))
    with pytest.raises(ModelError):
        Predictor.load(model)


def test_an_archive_with_other_arrays_is_refused(model: Path) -> None:
    np.savez(model / "fusion.npz", other=np.zeros(3))
    rehash(model, "fusion.npz")
    with pytest.raises(ModelError, match="incomplete"):
        Predictor.load(model)


class Trap:
    """Unpickling this would leave a mark."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("import os; os.environ['RAKUTEN_TRAP'] = 'sprung'",)


def test_pickled_objects_are_refused_and_never_run(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAKUTEN_TRAP", raising=False)
    payload = np.empty(1, dtype=object)
    payload[0] = Trap()
    buffer = io.BytesIO()
    np.savez(buffer, weights=payload)

    for content in (buffer.getvalue(), pickle.dumps(Trap())):
        (model / "fusion.npz").write_bytes(content)
        rehash(model, "fusion.npz")
        with pytest.raises(ModelError, match="plain arrays"):
            Predictor.load(model)
    assert "RAKUTEN_TRAP" not in os.environ


def test_damaged_archives_give_arrays_or_a_model_error(tmp_path: Path) -> None:
    write_model(tmp_path / "model", ARRAYS, [], {})
    data = (tmp_path / "model" / "part.npz").read_bytes()
    draw = random.Random(4)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(draw.choice([1, 2, 5])):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        if draw.random() < 0.2:
            del damaged[draw.randrange(len(damaged)) :]
        (tmp_path / "part.npz").write_bytes(damaged)
        try:
            read_arrays(tmp_path, "part")
        except ModelError:
            refused += 1
    assert refused > 100


def test_a_single_array_is_not_an_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "part.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ModelError):
        read_arrays(tmp_path, "part")


def test_an_absent_archive_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        read_arrays(tmp_path, "part")


def test_the_model_holds_no_pickle(model: Path) -> None:
    assert {path.suffix for path in model.iterdir()} == {".npz", ".json"}
    for path in model.glob("*.npz"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    assert np.lib.format.read_magic(member) in {(1, 0), (2, 0)}
                assert read_arrays(model, path.stem)[name.removesuffix(".npy")].dtype != object


def test_the_manifest_holds_what_it_promises(model: Path) -> None:
    manifest = read_manifest(model)
    assert set(manifest["files"]) == {p.name for p in model.iterdir()} - {MANIFEST}
    assert all(set(entry) == {"code", "name"} for entry in manifest["classes"])
    assert [e["code"] for e in manifest["classes"]] == sorted(
        e["code"] for e in manifest["classes"]
    )
    assert manifest["split"]["fingerprint"]
    assert {"numpy", "scikit-learn", "pillow"} <= set(manifest["libraries"])
    golden = json.loads((model / "golden.json").read_text())
    assert 0 < len(golden) <= 32


def test_two_writers_at_once_leave_one_whole_model(tmp_path: Path) -> None:
    model = tmp_path / "model"
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(write_model, model, {"a": {"b": np.full(9, n)}}, [], {"classes": [n]})
            for n in range(40)
        ]
    assert [job.exception() for job in jobs] == [None] * 40
    manifest = read_manifest(model)
    verify_files(model, manifest)
    assert read_arrays(model, "a")["b"].tolist() == manifest["classes"] * 9
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
