"""Each role runs in an environment with only what its lock file holds."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.models.model_directory import FORMAT_VERSION
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.train import TrainOutcome
from rakuten.text import TEXT_VERSION
from tests.conftest import REPOSITORY
from tests.features.networks import save_network
from tests.monitoring.conftest import Shop, make_home
from tests.monitoring.material import make_rows

pytestmark = pytest.mark.slow

HEAVY = (
    "mlflow",
    "dvc",
    "evidently",
    "sqlalchemy",
    "pandas",
    "pandera",
    "matplotlib",
    "sklearn",
    "scipy",
    "numpy",
    "cv2",
)

_BASE = """
import sys
from importlib.util import find_spec
absent = [n for n in ("pandas", "dvc", "mlflow", "pandera", "matplotlib") if find_spec(n)]
assert not absent, absent
from pathlib import Path
from rakuten.models.golden import check_golden
from rakuten.models.predictor import Predictor, Product
model = Path(sys.argv[1])
predictor = Predictor.load(model)
assert check_golden(predictor, model) < 1e-5
print(predictor.predict([Product("Console de jeux portable")])[0].prdtypecode)
"""


_SERVE = """
import sys
from importlib.util import find_spec
strangers = ("pandas", "dvc", "pandera", "matplotlib", "evidently", "prefect")
absent = [n for n in strangers if find_spec(n)]
assert not absent, absent
from pathlib import Path
from fastapi.testclient import TestClient
from rakuten.serving.app import create_app
from rakuten.serving.settings import ServingSettings
from rakuten.settings import Settings
app = create_app(Settings(), ServingSettings(keyless=True), Path(sys.argv[1]))
with TestClient(app) as client:
    print(client.get("/healthz").status_code, client.get("/readyz").status_code)
"""

_EXPORTER = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from rakuten.monitoring.exporter.app import make_app
from rakuten.monitoring.exporter.source import StoreSource
from rakuten.settings import Settings
from rakuten.store.database import Database
url = Settings().store_url(Path(sys.argv[1]))
Database(url).migrate()
with TestClient(make_app(StoreSource(url, "rakuten-classifier"))) as client:
    print("rakuten_exporter_store_up 1.0" in client.get("/metrics").text)
print({"numpy", "scipy", "sklearn", "mlflow"} & set(sys.modules))
"""

_FLOWS = """
import sys
from importlib.util import find_spec
strangers = ("onnxruntime", "streamlit", "distributed", "pytest")
absent = [n for n in strangers if find_spec(n)]
assert not absent, absent
from pathlib import Path
import prefect
from rakuten.monitoring.check import check_traffic
from rakuten.params import MonitoringParams
from rakuten.settings import ProjectPaths, Settings
found = check_traffic(ProjectPaths(Path(sys.argv[1])), Settings(), MonitoringParams())
assert "drawDashboard" in found.report.read_text()
print(found.run.outcome, found.decision.action)
"""


def _make_environment(folder: Path, lock: str) -> Path:
    """Python of an environment made from one lock file alone."""
    uv = str(Path(sys.executable).parent / "uv")
    python = folder / "bin/python"
    sync = [uv, "pip", "sync", "--python", str(python), "--require-hashes"]
    for command in (
        [uv, "venv", "--python", sys.executable, str(folder)],
        [*sync, str(REPOSITORY / lock)],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def base_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the predictor and the command line."""
    return _make_environment(tmp_path_factory.mktemp("base") / "venv", "requirements/base.txt")


@pytest.fixture(scope="module")
def serve_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the prediction service."""
    return _make_environment(tmp_path_factory.mktemp("serve") / "venv", "requirements/serve.txt")


@pytest.fixture(scope="module")
def flows_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of flows and monitoring."""
    return _make_environment(tmp_path_factory.mktemp("flows") / "venv", "requirements/flows.txt")


def _run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.run(
        [str(python), *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_the_base_install_predicts(
    base_python: Path, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    done = _run(base_python, "-c", _BASE, str(trained_project[0].model))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().isdecimal()


def test_the_serve_install_makes_the_application_without_the_pipeline(
    serve_python: Path, tmp_path: Path
) -> None:
    done = _run(serve_python, "-c", _SERVE, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "200 503"


def test_the_serve_install_shows_the_store_and_loads_nothing_heavy_for_it(
    serve_python: Path, tmp_path: Path
) -> None:
    done = _run(serve_python, "-c", _EXPORTER, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "set()"]


def test_the_flows_install_checks_traffic_and_reports(flows_python: Path, tmp_path: Path) -> None:
    shop = Shop(make_home(tmp_path), Settings())
    rows = make_rows(120, 3, text_embedding=None, image_embedding=None)  # whose charts take long
    shop.send(rows, datetime.now(UTC) - timedelta(hours=1))
    done = _run(flows_python, "-c", _FLOWS, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["none", "nothing"]


def test_the_base_install_says_what_monitoring_needs(base_python: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    refused = _run(base_python, "-m", "rakuten.cli", "--root", str(tmp_path), "monitor")
    assert refused.returncode == 1
    assert "pip install '.[monitor]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_base_install_says_what_the_exporter_needs(base_python: Path, tmp_path: Path) -> None:
    refused = _run(base_python, "-m", "rakuten.cli", "--root", str(tmp_path), "exporter")
    assert refused.returncode == 1
    assert "pip install '.[serve]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_base_install_shows_help_and_names_the_missing_extra(
    base_python: Path, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    shown = _run(base_python, "-m", "rakuten.cli", "--help")
    assert shown.returncode == 0, shown.stderr
    root = str(trained_project[0].root)
    refused = _run(base_python, "-m", "rakuten.cli", "--root", root, "ingest")
    assert refused.returncode == 1
    assert "pip install '.[pipeline]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_base_install_says_what_a_network_needs(base_python: Path, tmp_path: Path) -> None:
    onnx = save_network(tmp_path / "network.onnx").model_dump()
    description = {"name": "onnx", "version": "", "dimension": 1, "onnx": onnx}
    manifest = {
        "format_version": FORMAT_VERSION,
        "files": {},
        "text_version": TEXT_VERSION,
        "image_encoder": description,
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model/manifest.json").write_text(json.dumps(manifest))
    script = f"""
from pathlib import Path
from rakuten.errors import MissingExtraError
from rakuten.models.predictor import Predictor
try:
    Predictor.load(Path({str(tmp_path / "model")!r}))
except MissingExtraError as error:
    print(error)
"""
    done = _run(base_python, "-c", script)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout
    assert "pip install '.[deep]'" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['rakuten', '--help']\n"
        "from rakuten.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = _run(Path(sys.executable), "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
