"""Run the command line inside the test process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from rakuten.cli.app import main


@dataclass
class Answer:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def rakuten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["rakuten", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return Answer(int(code) if isinstance(code, int) else 0, captured.out, captured.err)

    return run
