"""The command evaluate, with and without labels."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rakuten.io import read_csv
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.cli.conftest import Answer

Run = Callable[..., Answer]
Trained = tuple[ProjectPaths, TrainOutcome]


def test_without_labels_the_model_is_scored_on_its_held_out_rows(
    rakuten: Run, trained_project: Trained, tmp_path: Path
) -> None:
    paths, outcome = trained_project
    answer = rakuten("--root", paths.root, "evaluate", "--out", tmp_path)
    assert answer.code == 0, answer.err
    assert f"{outcome.metrics['held_out']['weighted_f1']:.4f}" in answer.out
    assert f"{outcome.metrics['held_out']['rows']} rows" in answer.out
    assert f"page: {tmp_path / 'evaluation.html'}" in answer.out
    assert "answering held-out rows" in answer.err
    assert max(map(len, answer.out.splitlines())) <= 120
    assert "…" not in answer.out


def test_labels_are_joined_on_the_index(
    rakuten: Run, trained_project: Trained, tmp_path: Path
) -> None:
    paths = trained_project[0]
    labels = paths.raw / "Y_test.csv"
    answer = rakuten(
        "--root", paths.root, "evaluate", "--labels", labels, "--out", tmp_path, "--json"
    )
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    truth = dict(list(csv.reader(labels.open()))[1:])
    predictions = read_csv(paths.predictions)
    right = [
        truth[index] == code
        for index, code in zip(predictions["index"], predictions["prdtypecode"], strict=True)
    ]
    assert found["scores"]["accuracy"] == pytest.approx(sum(right) / len(right))
    assert (tmp_path / "evaluation.json").read_text() == answer.out
    (both,) = [part for part in found["slices"] if part["name"] == "text and photo"]
    assert both["rows"] > 0.8 * len(predictions)


def test_by_default_the_files_are_in_reports(
    rakuten: Run, trained_project: Trained, tmp_path: Path
) -> None:
    shutil.copytree(trained_project[0].root, tmp_path, dirs_exist_ok=True)
    assert rakuten("--root", tmp_path, "evaluate").code == 0
    assert (tmp_path / "reports/evaluation.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "reports/evaluation.json").is_file()
    assert (tmp_path / "reports/metrics.json").is_file()


def test_a_file_of_ones_own_is_scored_against_its_own_table(
    rakuten: Run, trained_project: Trained, tmp_path: Path
) -> None:
    root = trained_project[0].root
    table, labels, scored = (tmp_path / name for name in ("new.csv", "labels.csv", "scored.csv"))
    table.write_text(
        ",designation,description,productid,imageid\n"
        "7,Console portable,,1,2\n8,Roman policier,,3,4\n"
    )
    labels.write_text(",prdtypecode\n8,10\n7,60\n")
    assert rakuten("--root", root, "predict", "--input", table, "--output", scored).code == 0
    common = ("--root", root, "evaluate", "--labels", labels, "--predictions", scored)
    refused = rakuten(*common, "--out", tmp_path)
    assert refused.code == 1
    assert "--input" in refused.err
    assert not (tmp_path / "evaluation.html").exists()
    answer = rakuten(*common, "--input", table, "--out", tmp_path, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["rows"] == 2


def test_wrong_input_is_one_clear_message(
    rakuten: Run, trained_project: Trained, tmp_path: Path
) -> None:
    root = trained_project[0].root
    alone = rakuten("--root", root, "evaluate", "--predictions", "scored.csv")
    assert alone.code == 2
    assert "--labels" in alone.err
    missing = rakuten("--root", root, "evaluate", "--labels", tmp_path / "nothing.csv")
    assert missing.code == 1
    assert "nothing.csv" in missing.err
    untrained = rakuten("--root", tmp_path, "evaluate")
    assert untrained.code == 1
    assert "rakuten train" in untrained.err
    for answer in (alone, missing, untrained):
        assert "error: " in answer.err
        assert "→" in answer.err
        assert "Traceback" not in answer.err
