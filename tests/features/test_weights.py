"""Weights come from a path or from the hub at one commit, and are those that the hash names."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError, DataNotFoundError, MissingExtraError
from rakuten.features.weights import find_weights, read_weights
from rakuten.io import sha256_file
from rakuten.params import OnnxParams
from tests.features.hub import COMMIT, Hub, serve

CONTENT = bytes(range(256)) * 2000
REPOSITORY = "owner/network"

_SCRIPT = """
import sys
from pathlib import Path
from rakuten.errors import RakutenError
from rakuten.features.weights import find_weights, read_weights
from rakuten.params import OnnxParams
params = OnnxParams.model_validate_json(sys.argv[1])
try:
    path = find_weights(params, Path())
    read_weights(path, params.sha256)
except RakutenError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(path)
"""


@pytest.fixture(scope="module")
def sha256(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("content") / "content"
    path.write_bytes(CONTENT)
    return sha256_file(path)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(REPOSITORY, {"onnx/model.onnx": CONTENT}) as running:
        yield running


def pinned(sha256: str, **changes: str) -> OnnxParams:
    values = {"repository": REPOSITORY, "revision": COMMIT, "sha256": sha256}
    return OnnxParams.model_validate(values | changes)


def fetch(
    params: OnnxParams, endpoint: str, home: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Find weights in a process of its own: the hub's client reads its settings at import."""
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT, params.model_dump_json()],
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_weights_are_fetched_once_and_then_taken_from_the_hubs_cache(
    hub: Hub, sha256: str, tmp_path: Path
) -> None:
    first = fetch(pinned(sha256), hub.address, tmp_path)
    assert first.returncode == 0, first.stderr
    path = Path(first.stdout.strip())
    assert path.read_bytes() == CONTENT
    assert tmp_path in path.parents
    assert all(COMMIT in line for line in hub.requests if "/resolve/" in line)
    asked = len(hub.requests)
    assert asked
    again = fetch(pinned(sha256), hub.address, tmp_path)
    assert again.stdout == first.stdout
    assert len(hub.requests) == asked
    offline = fetch(pinned(sha256), "http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1")
    assert offline.stdout == first.stdout


def test_fetched_weights_of_another_hash_are_refused_with_both(
    hub: Hub, sha256: str, tmp_path: Path
) -> None:
    wrong = "0" * 64
    found = fetch(pinned(wrong), hub.address, tmp_path)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-2].startswith("ConfigurationError")
    assert sha256 in found.stderr
    assert wrong in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "f" * 40}, f"features.onnx.revision: {REPOSITORY} has no commit ffff"),
        ({"file": "onnx/other.onnx"}, "features.onnx.file: owner/network at 0123"),
        ({"repository": "owner/other"}, "features.onnx.repository: the hub shows no owner/other"),
    ],
    ids=["revision", "file", "repository"],
)
def test_what_the_hub_does_not_have_names_its_parameter(
    hub: Hub, sha256: str, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    found = fetch(pinned(sha256, **changes), hub.address, tmp_path)
    assert found.returncode == 1
    assert f"ConfigurationError: {message}" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "offline",
    [
        pytest.param("", marks=pytest.mark.slow, id="refused"),  # the client retries for 20 s
        pytest.param("1", id="offline-mode"),
    ],
)
def test_without_a_network_the_error_says_how_to_bring_the_file(
    sha256: str, tmp_path: Path, offline: str
) -> None:
    found = fetch(pinned(sha256), "http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE=offline)
    assert found.returncode == 1
    assert "DataNotFoundError" in found.stderr
    command = f"hf download {REPOSITORY} onnx/model.onnx --revision {COMMIT} --local-dir"
    assert command in found.stderr
    assert "features.onnx.path" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_local_file_needs_no_hub(sha256: str, tmp_path: Path) -> None:
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks/model.onnx").write_bytes(CONTENT)
    params = OnnxParams(path="networks/model.onnx", sha256=sha256)
    path = find_weights(params, tmp_path)
    assert path == tmp_path / "networks/model.onnx"
    assert read_weights(path, sha256) == CONTENT
    absolute = OnnxParams(path=str(path), sha256=sha256)
    assert find_weights(absolute, Path("elsewhere")) == path


def test_an_absent_local_file_says_how_to_get_it(sha256: str, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"features\.onnx\.path.*absent\.onnx") as caught:
        find_weights(OnnxParams(path="absent.onnx", sha256=sha256), tmp_path)
    assert "hf download onnx-community/dinov2-small" in (caught.value.hint or "")


def test_a_local_file_of_another_hash_is_refused_with_both(sha256: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENT[1:])
    with pytest.raises(ConfigurationError) as caught:
        read_weights(path, sha256)
    assert sha256 in caught.value.message
    assert sha256_file(path) in caught.value.message


def test_without_the_hubs_client_the_install_command_is_shown(
    sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="huggingface-hub") as caught:
        find_weights(pinned(sha256), Path())
    assert ".[deep]" in (caught.value.hint or "")
