"""The documents tell the truth: commands exist, links lead somewhere, examples run."""

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.params import Params
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.conftest import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
GROUPS = "(?:data |drift |feedback |flow run |flow |keys |observability |runs |stack )?"
COMMAND = rf"\brakuten ({GROUPS}[a-z]+(?:-[a-z]+)*)"
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def _code(text: str) -> str:
    blocks = re.findall(r"```(?!mermaid)[a-z]*\n(.*?)```", text, re.DOTALL)
    return "\n".join(chain(blocks, re.findall(r"`([^`\n]+)`", text)))


def _names(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_every_command_named_exists(document: Path) -> None:
    runner = CliRunner()
    commands = re.findall(COMMAND, _code(document.read_text()))
    for command in set(commands):
        found = runner.invoke(app, [*command.split(), "--help"])
        assert found.exit_code == 0, f"{document.name} names 'rakuten {command}'"


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_every_option_of_a_command_shown_exists(document: Path) -> None:
    """Each ``rakuten …`` line of a code block and each inline one, with its ``--options``."""
    runner = CliRunner()
    shown = re.findall(rf"{COMMAND}([^\n`]*)", _code(document.read_text()))
    for command, rest in shown:
        wanted = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest.split("#")[0]))
        if wanted and not command.startswith("exec"):
            text = runner.invoke(app, [*command.split(), "--help"]).output
            assert wanted <= set(re.findall(r"--[a-z][a-z-]*", text)), f"{command} {wanted}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_every_make_target_named_exists(document: Path) -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", _code(document.read_text())))
    assert named <= TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_make_help_lists_every_target_that_a_person_calls() -> None:
    shown = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in shown.splitlines() if line.startswith("  ")} == TARGETS


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert "make demo" in text
    assert "make test" in text


def test_the_readme_names_every_stage_in_both_forms() -> None:
    text = (REPOSITORY / "README.md").read_text()
    for stage in yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"].values():
        assert f"`{stage['cmd']}`" in text
    for module in re.findall(r"python -m (rakuten[\w.]+)", text):
        source = REPOSITORY / "src" / f"{module.replace('.', '/')}.py"
        assert '__name__ == "__main__"' in source.read_text()


def test_every_parameter_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| `([^`]+)` \|",
        (REPOSITORY / "docs/parameters.md").read_text(),
        re.MULTILINE,
    )
    documented = {name: yaml.safe_load(value) for name, value in rows}
    assert documented == _flat(Params().model_dump(mode="json"))


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def test_the_python_example_runs(
    trained_project: tuple[ProjectPaths, TrainOutcome], tmp_path: Path
) -> None:
    text = (REPOSITORY / "docs/model.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    paths = trained_project[0]
    photo = max((paths.raw / "images/image_test").iterdir(), key=lambda path: path.stat().st_size)
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "models").symlink_to(paths.root / "models")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] in ("auto", "review")


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for path in (REPOSITORY / "requirements.txt", *REPOSITORY.glob("requirements/*.txt")):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "index-url" not in text


def test_lock_files_agree_with_the_resolution_of_all_roles() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(
            re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", path.read_text(), re.MULTILINE)
        )

    everything = pins(REPOSITORY / "requirements/all.txt")
    for name in (
        "requirements.txt",
        *(f"requirements/{n}.txt" for n in ("base", "serve", "dev", "mlflow-server")),
    ):
        found = pins(REPOSITORY / name)
        assert found
        assert {n: everything.get(n) for n in found} == found
