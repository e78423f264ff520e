"""Images of the roles: pinned, locked, without root, compiler or secret."""

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.deploy.dockerfiles import is_let_through, lineage, read_stages

DOCKERFILE = REPOSITORY / "Dockerfile"
ROLES = ("api", "flows", "pipeline")
PINNED = re.compile(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}")
STAGES = read_stages(DOCKERFILE)
RULES = [
    line
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]


def test_there_is_a_target_for_each_role() -> None:
    assert set(ROLES) <= set(STAGES)


def test_every_base_is_a_stage_or_pinned_by_version_and_digest() -> None:
    bases = {stage.base for stage in STAGES.values()} - set(STAGES)
    assert [base for base in bases if not PINNED.fullmatch(base)] == []
    assert len(bases) == 1  # the interpreter that packages are installed for is the one that runs
    mlflow = (REPOSITORY / "Dockerfile.mlflow").read_text()
    assert bases.pop() in mlflow


@pytest.mark.parametrize("role", ROLES)
def test_a_role_runs_without_root_and_in_the_project_folder(role: str) -> None:
    users = [user for stage in lineage(STAGES, role) for user in stage.all("USER")]
    assert users == ["rakuten"]
    made = " ".join(run for stage in lineage(STAGES, role) for run in stage.all("RUN"))
    assert "useradd --uid 1000" in made
    assert [one for stage in lineage(STAGES, role) for one in stage.all("WORKDIR")] == ["/project"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_holds_its_packages_and_no_compiler(role: str) -> None:
    copied = [copy for stage in lineage(STAGES, role) for copy in stage.all("COPY")]
    assert copied == [f"--from={role}-packages /opt/rakuten /opt/rakuten"]
    runs = [run for stage in lineage(STAGES, role) for run in stage.all("RUN")]
    assert not re.search(r"apt-get|gcc|pip |uv ", " ".join(runs))


@pytest.mark.parametrize(
    ("role", "lock"),
    [("api", "requirements/serve.txt"), ("flows", "requirements/flows.txt"),
     ("pipeline", "requirements.txt")],
)  # fmt: skip
def test_packages_come_from_the_lock_file_by_hash_and_are_compiled(role: str, lock: str) -> None:
    stage = STAGES[f"{role}-packages"]
    assert f"{lock} /tmp/requirements.txt" in stage.all("COPY")
    locked, own = stage.all("RUN")
    for option in ("--require-hashes", "--compile-bytecode", "--only-binary :all:"):
        assert option in locked
    assert "--no-index --no-deps --compile-bytecode /wheels/*.whl" in own


def test_what_builds_the_package_is_locked_and_complete() -> None:
    lock = (REPOSITORY / "requirements/build.txt").read_text()
    pins = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.MULTILINE))
    assert {"hatchling", "ziglang", "setuptools"} <= set(pins)
    everything = (REPOSITORY / "requirements/all.txt").read_text()
    assert [n for n, version in pins.items() if f"\n{n}=={version} " not in everything] == []
    for run in STAGES["build"].all("RUN") + STAGES["wheel"].all("RUN")[:1]:
        assert "--require-hashes" in run


def test_the_only_package_that_comes_as_source_is_one_without_a_wheel() -> None:
    excepted = set(re.findall(r"--no-binary (\S+)", DOCKERFILE.read_text()))
    assert excepted == {"antlr4-python3-runtime"}
    lock = (REPOSITORY / "requirements/flows.txt").read_text()
    (block,) = re.findall(r"^antlr4-python3-runtime==.*?(?=^[a-z])", lock, re.M | re.S)
    assert block.count("--hash=") == 1


def test_everything_copied_is_there_and_let_through() -> None:
    copies = [copy for stage in STAGES.values() for copy in stage.all("COPY")]
    sources = {word for copy in copies if "--from" not in copy for word in copy.split()[:-1]}
    assert len(sources) > 8
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert is_let_through(source, RULES), source


@pytest.mark.parametrize(
    "path",
    [".env", ".git/config", "data/raw/X_train.csv", ".rakuten/stack/secrets.env", "mlflow.db",
     "src/rakuten/kernel/_kernel.so", "src/rakuten/__pycache__/x.pyc", "tests/conftest.py",
     ".dvc/config.local"],
)  # fmt: skip
def test_what_is_secret_or_made_here_does_not_reach_a_build(path: str) -> None:
    assert not is_let_through(path, RULES)
    assert is_let_through("src/rakuten/cli/app.py", RULES)


def test_no_secret_is_an_argument_or_a_variable() -> None:
    given = [(s.name, rest) for s in STAGES.values() for rest in s.all("ENV") + s.all("ARG")]
    assert given
    assert [
        one for one in given if re.search(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|://", one[1])
    ] == []


def test_what_serves_says_whether_it_is_alive_and_what_does_not_says_so() -> None:
    (api,) = STAGES["api"].all("HEALTHCHECK")
    assert "rakuten.stack.probe" in api
    assert "/healthz" in api
    for role in ("flows", "pipeline"):
        assert STAGES[role].all("HEALTHCHECK") == ["NONE"]


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_runs_is_a_command_of_its_packages(role: str) -> None:
    (command,) = STAGES[role].all("CMD")
    program, *words = json.loads(command)
    if program == "rakuten":
        words = [word for word in words if not word.startswith(("-", "0"))]
        done = subprocess.run(
            [sys.executable, "-m", "rakuten.cli", *words, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    else:
        assert (program, *words) == ("dvc", "repro")
