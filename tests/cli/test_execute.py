"""``rakuten exec`` hands the known variables of ``.env`` to another program."""

import subprocess
import sys
from pathlib import Path

RAKUTEN = (sys.executable, "-m", "rakuten.cli")
SHOW = (
    "import os; print([os.environ.get(n) for n in ('AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'SECRET')])"
)


def test_known_variables_reach_the_program_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID='key one'\nAWS_PROFILE=\nSECRET=no\n")
    command = [*RAKUTEN, "--root", str(tmp_path), "exec", sys.executable, "-c", SHOW]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['key one', None, None]", done.stderr


def test_the_programs_own_options_and_exit_status_pass_through(tmp_path: Path) -> None:
    command = [
        *RAKUTEN,
        "--root",
        str(tmp_path),
        "exec",
        sys.executable,
        "-c",
        "raise SystemExit(7)",
    ]
    assert subprocess.run(command, check=False).returncode == 7


def test_an_unknown_program_is_named(tmp_path: Path) -> None:
    command = [*RAKUTEN, "--root", str(tmp_path), "exec", "no-such-program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no-such-program" in done.stderr
    assert "Traceback" not in done.stderr
