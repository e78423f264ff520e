"""What an evaluation leaves: JSON for machines and one page for people."""

import json
from pathlib import Path
from typing import Final

from rakuten.io import write_text
from rakuten.models.evaluate import Evaluation
from rakuten.stages.evaluate.page import render_page

REPORT: Final = "evaluation.json"
PAGE: Final = "evaluation.html"


def evaluation_json(evaluation: Evaluation) -> str:
    """The evaluation as JSON with a stable layout; a NaN in it would be a defect and raises."""
    return json.dumps(evaluation.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)


def write_evaluation(evaluation: Evaluation, folder: Path) -> Path:
    """Write both files into ``folder`` and return the page's path.

    Raises:
        StorageError: the folder cannot be written.
    """
    page = render_page(evaluation)
    write_text(folder / REPORT, evaluation_json(evaluation) + "\n")
    write_text(folder / PAGE, page)
    return folder / PAGE
