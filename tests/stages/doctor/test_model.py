"""The model answers its golden products; what waits or is half-done is named."""

import shutil
from pathlib import Path

from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.pending import RunRecord, keep
from tests.stages.doctor.conftest import examine, only


def test_model_answers_its_golden_products_or_fails(
    paths: ProjectPaths, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    shutil.copytree(trained_project[0].model, paths.model)
    assert examine(paths)["model"][0].state == "ok"
    golden = paths.model / "golden.json"
    golden.write_text(golden.read_text().replace("0.", "0.1", 1))
    assert only(examine(paths)["model"], "failed")


def test_waiting_runs_and_half_done_swaps_are_warnings(paths: ProjectPaths, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    keep(RunRecord("e", "r", {}, {}, {}, {}, {}, str(model)), paths.pending_runs)
    (paths.root / "data" / ".raw.staged").mkdir()
    (paths.root / "models").mkdir()
    (paths.root / "models" / ".classifier.old").mkdir()
    hints = [check.hint for check in examine(paths)["waiting"]]
    assert hints[0] == "rakuten runs resume"
    assert hints[1].startswith("rm -r")
    assert hints[2].startswith("mv ")
