"""The environment and .env say where things are; a wrong value is named, an empty one is unset."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError
from rakuten.serving.settings import ServingSettings
from rakuten.settings import (
    EXPORTED,
    ProjectPaths,
    Settings,
    load_env_file,
    load_settings,
    processor_limit,
    without_password,
)

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"


@pytest.fixture(autouse=True)
def _restored_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def write_env(root: Path, text: str) -> Path:
    (root / ".env").write_text(text, encoding="utf-8")
    return root


def test_without_settings_everything_is_local(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.mlflow_tracking_uri is None
    assert settings.tracking_uri(tmp_path) == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert settings.mlflow_model_name == "rakuten-classifier"
    assert settings.rakuten_threads == processor_limit()
    assert settings.cache_folder(tmp_path) == tmp_path / ".rakuten/cache"


def test_a_relative_project_folder_gives_an_absolute_tracking_uri(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().tracking_uri(Path()) == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"


def test_a_named_server_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert load_settings().tracking_uri(tmp_path) == "http://mlflow:5000"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_variable_is_an_unset_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    monkeypatch.setenv(name.upper(), "")
    assert load_settings() == default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAKUTEN_THREADS", "many"),
        ("RAKUTEN_THREADS", "0"),
        ("RAKUTEN_THREADS", "1.5"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert name in caught.value.message
    assert name in (caught.value.hint or "")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("value", "folder"),
    [("vectors", "{root}/vectors"), ("/var/cache/r", "/var/cache/r"), ("~/c", "{home}/c")],
)
def test_the_cache_lies_where_it_is_said(
    value: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAKUTEN_CACHE_DIR", value)
    expected = folder.format(root=tmp_path, home=Path.home())
    assert load_settings().cache_folder(tmp_path) == Path(expected)


def test_the_cache_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAKUTEN_CACHE_DIR", "0")
    assert load_settings().cache_folder(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("max 100000", None),
        ("99999900000 100000", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_processors_are_those_of_the_container(
    tmp_path: Path, quota: str | None, expected: int | None
) -> None:
    if quota is not None:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert processor_limit(tmp_path) == (expected or len(os.sched_getaffinity(0)))


def test_processors_are_those_that_the_process_may_run_on(tmp_path: Path) -> None:
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from rakuten.settings import load_settings; print(load_settings().rakuten_threads)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "1"


def test_no_env_file_is_no_error(tmp_path: Path) -> None:
    assert load_env_file(tmp_path) == []


def test_known_variables_are_handed_on_and_others_are_not(tmp_path: Path) -> None:
    known = {
        "AWS_ACCESS_KEY_ID": "key",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "DATABASE_URL": "postgresql://db",
        "DVC_STUDIO_OFFLINE": "true",
        "PREFECT_API_URL": "http://prefect:4200/api",
        "RAKUTEN_THREADS": "3",
        "LOG_LEVEL": "DEBUG",
        "GIT_COMMIT": "abc",
    }
    unknown = ("PATH", "FOO", "LD_PRELOAD", "PYTHONPATH", "MY_AWS_KEY", "DATABASE_URL_OLD")
    path = os.environ["PATH"]
    lines = [f"{name}={value}" for name, value in known.items()]
    lines += [f"{name}=changed" for name in unknown]
    taken = load_env_file(write_env(tmp_path, "\n".join(lines)))
    assert set(taken) == set(known)
    assert {name: os.environ[name] for name in known} == known
    assert os.environ["PATH"] == path
    assert not [name for name in unknown if os.environ.get(name) == "changed"]
    assert load_settings().rakuten_threads == 3


def test_the_shell_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from-shell")
    taken = load_env_file(write_env(tmp_path, "MLFLOW_EXPERIMENT_NAME=from-file\n"))
    assert taken == []
    assert load_settings().mlflow_experiment_name == "from-shell"


def test_empty_is_unset_in_the_file_and_in_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("AWS_PROFILE", "")
    text = "MLFLOW_TRACKING_URI=http://mlflow:5000\nAWS_ACCESS_KEY_ID=\n"
    assert load_env_file(write_env(tmp_path, text)) == ["MLFLOW_TRACKING_URI"]
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert "AWS_PROFILE" not in os.environ


def test_quotes_comments_and_export_are_read_as_a_shell_reads_them(tmp_path: Path) -> None:
    text = "# note\nexport MLFLOW_MODEL_NAME='a b'  # why\nLOG_LEVEL=\"DEBUG\"\n"
    load_env_file(write_env(tmp_path, text))
    assert os.environ["MLFLOW_MODEL_NAME"] == "a b"
    assert os.environ["LOG_LEVEL"] == "DEBUG"


def test_an_unreadable_env_file_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MLFLOW_MODEL_NAME=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        load_env_file(tmp_path)


def test_every_setting_stands_in_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    listed = set(re.findall(r"^(?:# )?([A-Z0-9_]+)=", text, flags=re.MULTILINE))
    assert {name.upper() for name in Settings.model_fields} <= listed
    serving = {f"RAKUTEN_SERVE_{name.upper()}" for name in ServingSettings.model_fields}
    assert serving == {name for name in listed if name.startswith("RAKUTEN_SERVE_")}
    compose = EXAMPLE.with_name("docker-compose.yml").read_text(encoding="utf-8")
    others = {name for name in listed if not EXPORTED.fullmatch(name)}
    assert [name for name in others if f"${{{name}" not in compose] == []


def test_every_server_address_in_the_example_is_commented_out() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "://" in line and not line.startswith("#")] == []
    assert any("://" in line for line in lines)


def test_sourcing_the_example_and_reading_it_agree(tmp_path: Path) -> None:
    def sourced() -> dict[str, str]:
        script = 'set -eu; set -a; source "$1"; set +a; env -0'
        done = subprocess.run(
            ["bash", "-c", script, "bash", str(EXAMPLE)], capture_output=True, check=True
        )
        pairs = (entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
        return {name: value for name, value in pairs if EXPORTED.fullmatch(name)}

    shell = sourced()
    write_env(tmp_path, EXAMPLE.read_text(encoding="utf-8"))
    load_env_file(tmp_path)
    by_file = load_settings()
    exported = {name: value for name, value in os.environ.items() if EXPORTED.fullmatch(name)}
    assert {name: value for name, value in shell.items() if value} == exported
    os.environ.update(shell)
    assert load_env_file(tmp_path) == []
    assert load_settings() == by_file


def test_paths_lie_below_the_project_folder(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    assert paths.raw == tmp_path / "data" / "raw"
    assert paths.test_images == tmp_path / "data" / "raw" / "images" / "image_test"
    assert paths.predictions == tmp_path / "data" / "processed" / "predictions.csv"
    assert paths.raw_file("X_train.csv") == tmp_path / "data" / "raw" / "X_train.csv"
    assert ProjectPaths().params == Path("params.yaml")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:pass@host:5000", "http://user:***@host:5000"),
        ("http://user:p@ss:word@host/path", "http://user:***@host/path"),
        ("postgresql+psycopg://user:pass@host/mlflow", "postgresql+psycopg://user:***@host/mlflow"),
        ("http://user@host", "http://user@host"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ],
)
def test_a_uri_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert without_password(uri) == shown
