"""Absent programs are named with what installs them."""

from pathlib import Path

import pytest

from tests.servers.prometheus import find_program


def test_an_absent_program_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        RuntimeError, match="no prometheus-alertmanager or alertmanager on the PATH"
    ):
        find_program("prometheus-alertmanager", "alertmanager")
    (tmp_path / "alertmanager").write_text("#!/bin/sh\n")
    (tmp_path / "alertmanager").chmod(0o755)
    found = find_program("prometheus-alertmanager", "alertmanager")
    assert found == str(tmp_path / "alertmanager")
