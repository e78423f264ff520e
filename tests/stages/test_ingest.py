"""Stage ingest: corrections belong to the catalogue's rows, and do not change under its hands."""

import shutil
from pathlib import Path

import pytest

from rakuten.data.corrections import corrections_frame
from rakuten.errors import ContractError
from rakuten.io import read_csv, write_csv
from rakuten.settings import ProjectPaths
from rakuten.stages.ingest import run_ingest
from tests.data.test_corrections import said
from tests.data.test_make_dataset import product, write_catalogue


def project(root: Path) -> ProjectPaths:
    paths = ProjectPaths(root)
    paths.raw.mkdir(parents=True)
    write_catalogue(paths.raw, [product(n) for n in range(4)])
    shutil.copyfile(paths.raw / "X_train.csv", paths.raw / "X_test.csv")
    return paths


def test_without_an_export_there_is_an_empty_one(tmp_path: Path) -> None:
    paths = project(tmp_path)
    report = run_ingest(paths).report
    assert (report.accepted, report.feedback["rows"]) == (4, 0)
    assert (paths.feedback / "corrections.csv").is_file()
    merged = read_csv(paths.interim / "merged_train.csv")
    assert set(merged["source"]) == {"X_train.csv"}


def test_corrections_come_behind_the_catalogue_and_broken_ones_are_said(tmp_path: Path) -> None:
    paths = project(tmp_path)
    rows = [said(1), said(2, prdtypecode="dix"), said(3, designation="Titre 1")]
    write_csv(paths.feedback / "corrections.csv", corrections_frame(rows))
    outcome = run_ingest(paths)
    merged = read_csv(paths.interim / "merged_train.csv")
    assert merged["source"].tolist() == ["X_train.csv"] * 4 + ["corrections.csv"]
    assert merged["answers"].tolist() == ["1", "1", "1", "1", "2"]
    assert any("1 corrections set aside" in warning for warning in outcome.warnings)
    assert not any("repeated" in warning for warning in outcome.warnings)


def test_an_export_while_ingest_reads_is_no_input_of_it(tmp_path: Path) -> None:
    paths = project(tmp_path)
    write_csv(paths.feedback / "corrections.csv", corrections_frame([said(1)]))

    def export_meanwhile(done: int, total: int) -> None:
        assert done == total
        write_csv(paths.feedback / "corrections.csv", corrections_frame([said(1), said(2)]))

    with pytest.raises(ContractError, match="exported anew"):
        run_ingest(paths, progress=export_meanwhile)
    assert not paths.interim.exists()
    assert run_ingest(paths).report.feedback["rows"] == 2
