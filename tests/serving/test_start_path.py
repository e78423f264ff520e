"""Answering and watching the registry import nothing heavy, and MLflow not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.conftest import REPOSITORY
from tests.serving.conftest import Shop

HEAVY = ("mlflow", "sklearn", "pandas", "joblib", "dvc", "matplotlib")
HEAVY_PARTS = ("scipy.stats", "scipy.optimize", "scipy.linalg", "scipy.special", "scipy.spatial")

_PREDICT = """
import io, json, sys
from pathlib import Path
from PIL import Image
from rakuten.models.golden import check_golden
from rakuten.models.predictor import Predictor, Product
model = Path(sys.argv[1])
predictor = Predictor.load(model)
photo = io.BytesIO()
Image.linear_gradient("L").convert("RGB").save(photo, "JPEG")
answer = predictor.predict([Product("Console portable", "deux manettes", photo.getvalue())])[0]
assert answer.modalities == ("text", "image"), answer.modalities
predictor.explain(Product("Console portable", "deux manettes", photo.getvalue()))
assert check_golden(predictor, model) < 1e-5
"""

_LIVE = """
import sys, time
from pathlib import Path
from rakuten.models.predictor import Product
from rakuten.serving.live_model import LiveModel
from rakuten.serving.webhook import WebhookVerifier
from rakuten.settings import load_settings
live = LiveModel(load_settings(), Path(sys.argv[1]))
live.start()
while live.confirmed_at is None or live.current is None:
    time.sleep(0.01)
live.current.predictor.predict([Product("Console portable")])
live.stop()
"""

_SHOW = f"""
import json
found = [n for n in sys.modules if n.split(".")[0] in {HEAVY!r} or n.startswith({HEAVY_PARTS!r})]
print(json.dumps(sorted(found)))
"""


def modules_after(script: str, argument: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script + _SHOW, str(argument)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_loading_and_answering_import_nothing_heavy(
    trained_project: tuple[ProjectPaths, TrainOutcome],
) -> None:
    assert modules_after(_PREDICT, trained_project[0].model) == []


def test_the_live_model_fetches_and_confirms_without_importing_mlflow(shop: Shop) -> None:
    shop.empty_cache()
    shop.promote(1)
    assert modules_after(_LIVE, shop.root) == []
