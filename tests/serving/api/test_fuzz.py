"""Requests made from the OpenAPI document, by the command that makes thousands of them."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("promoted")]

COMMAND = Path(__file__).resolve().parents[3] / "benchmarks/fuzz.py"


def test_no_generated_request_gets_an_answer_that_the_document_does_not_know(
    promoted: Path, tmp_path: Path
) -> None:
    (promoted / "promoted").touch()  # the command does not train it again
    output = tmp_path / "fuzz.md"
    done = subprocess.run(
        [sys.executable, str(COMMAND), "--requests", "400", "--project", str(promoted)]
        + ["--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    text = output.read_text(encoding="utf-8")
    assert "14 operations" in text
    assert "Failures: 0" in text
