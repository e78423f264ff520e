"""The compose stack of the tracking server: valid, documented, pinned, closed by default."""

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY

COMPOSE = REPOSITORY / "docker-compose.mlflow.yml"
DOCKERFILE = REPOSITORY / "Dockerfile.mlflow"
EXAMPLE = REPOSITORY / ".env.example"
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)(?P<rule>:?[?-])?(?P<rest>[^${}]*)")
PINNED = re.compile(r"[\w./-]+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def services(stack: dict[str, Any]) -> dict[str, Any]:
    return dict(stack["services"])


def _variables() -> list[re.Match[str]]:
    lines = [line for line in COMPOSE.read_text().splitlines() if not line.lstrip().startswith("#")]
    return list(VARIABLE.finditer("\n".join(lines)))


def _stages() -> dict[str, list[str]]:
    """Instructions of each stage of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    stages: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("FROM "):
            stages[line.split(" AS ")[1]] = []
        list(stages.values())[-1].append(line)
    return stages


def test_the_compose_file_is_valid() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_variable_is_explained_in_the_example() -> None:
    lines = EXAMPLE.read_text().splitlines()
    listed = {m.group(1) for line in lines if (m := re.match(r"(?:# )?([A-Z0-9_]+)=", line))}
    named = {match["name"] for match in _variables()}
    assert len(named) > 10
    assert named - listed == set()


def test_defaults_of_the_example_are_those_of_the_compose_file() -> None:
    shown = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    for match in _variables():
        if match["rule"] == ":-" and match["rest"] and shown.get(match["name"]):
            assert match["rest"] == shown[match["name"]]


def test_secrets_are_required_or_empty_and_never_have_a_default() -> None:
    secrets = [match for match in _variables() if SECRET.search(match["name"])]
    assert {match["name"] for match in secrets if match["rule"] == ":?"} == {
        "MLFLOW_POSTGRES_PASSWORD"
    }
    assert [match["name"] for match in secrets if match["rule"] == ":-" and match["rest"]] == []
    assert [match["name"] for match in secrets if match["rule"] not in (":?", ":-")] == []
    shown = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert [name for name, value in shown.items() if SECRET.search(name) and value] == []


def test_every_secret_of_a_service_comes_from_outside(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                assert re.match(r"\$\{[A-Z0-9_]+:[?-]", str(value)), f"{name}: {key}"


def test_no_host_is_allowed_by_a_star(services: dict[str, Any]) -> None:
    environment = services["mlflow"]["environment"]
    hosts = environment["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert "mlflow:5000" in hosts
    assert "localhost:" in hosts
    assert "*" not in hosts + environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"]
    assert "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE" not in COMPOSE.read_text()


def test_ports_are_published_on_loopback_unless_told_otherwise(services: dict[str, Any]) -> None:
    ports = list(chain.from_iterable(service.get("ports", []) for service in services.values()))
    assert len(ports) == 2
    assert [
        port for port in ports if not port.startswith("${MLFLOW_BIND_ADDRESS:-127.0.0.1}:")
    ] == []
    assert "ports" not in services["postgres"]
    assert services["postgres"]["networks"] == ["database"]


def test_the_database_has_no_way_out(stack: dict[str, Any]) -> None:
    assert stack["networks"]["database"]["internal"] is True


def test_images_are_pinned_by_version_and_digest(services: dict[str, Any]) -> None:
    pulled = [service["image"] for service in services.values() if "build" not in service]
    bases = [stage[0].split()[1] for stage in _stages().values()]
    assert len(pulled) == 2
    assert len(bases) == 3
    assert [image for image in [*pulled, *bases] if not PINNED.fullmatch(image)] == []
    assert re.match(r"postgres:(1[5-9]|[2-9]\d)\.", services["postgres"]["image"])
    assert any(base.startswith("python:3.11.") and "-slim-" in base for base in bases)


def test_builds_name_a_stage_that_exists(services: dict[str, Any]) -> None:
    built = {name: s["build"] for name, s in services.items() if "build" in s}
    assert {name: build["target"] for name, build in built.items()} == {
        "mlflow": "mlflow",
        "s3": "s3",
    }
    assert {build["target"] for build in built.values()} <= set(_stages())
    assert {build["dockerfile"] for build in built.values()} == {DOCKERFILE.name}


def test_nothing_that_serves_runs_as_root(services: dict[str, Any]) -> None:
    stages = _stages()
    assert "USER mlflow" in stages["mlflow"]
    assert "USER 1000:1000" in stages["s3"]
    assert any("--home-dir /home/mlflow" in line for line in stages["mlflow"])
    assert [name for name, service in services.items() if "user" in service] == ["artifacts-owner"]
    once = services["artifacts-owner"]
    assert once["restart"] == "no"
    assert once["network_mode"] == "none"
    assert once["cap_drop"] == ["ALL"]
    (user,) = [re.search(r"--uid (\d+)", line) for line in stages["mlflow"] if "useradd" in line]
    assert user
    assert f"{user.group(1)}:{user.group(1)}" in once["command"]


def test_services_are_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name
        assert service["restart"] == ("no" if name == "artifacts-owner" else "unless-stopped")
        assert "privileged" not in service
    assert all(services[name]["cap_drop"] == ["ALL"] for name in ("mlflow", "s3"))


def test_the_server_starts_after_what_it_needs(services: dict[str, Any]) -> None:
    conditions = services["mlflow"]["depends_on"]
    assert conditions["postgres"]["condition"] == "service_healthy"
    assert conditions["artifacts-owner"]["condition"] == "service_completed_successfully"
    assert conditions["s3"] == {"condition": "service_healthy", "required": False}
    assert services["s3"]["profiles"] == ["s3"]


def test_everything_that_serves_has_a_health_check(services: dict[str, Any]) -> None:
    assert services["postgres"]["healthcheck"]["test"][1] == "pg_isready"
    checks = {
        name: [line for line in _stages()[name] if line.startswith("HEALTHCHECK")]
        for name in ("mlflow", "s3")
    }
    assert all(len(lines) == 1 for lines in checks.values())
    assert "/health" in checks["mlflow"][0]
    assert "curl" not in DOCKERFILE.read_text()


def test_data_lies_in_named_volumes_and_artifacts_beside_the_project(stack: dict[str, Any]) -> None:
    mounts = list(chain.from_iterable(s.get("volumes", []) for s in stack["services"].values()))
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith(".")}
    assert named == set(stack["volumes"])
    assert "postgres-data:/var/lib/postgresql/data" in mounts
    assert {mount for mount in mounts if mount.startswith(".")} == {
        "./mlruns:/home/mlflow/artifacts",
        "./mlruns:/artifacts",
    }


def test_the_image_installs_wheels_by_hash_and_compiles_nothing() -> None:
    stages, lock = _stages(), REPOSITORY / "requirements/mlflow-server.txt"
    assert f"COPY requirements/{lock.name} " in "\n".join(stages["packages"])
    (install,) = [line for line in stages["packages"] if "pip" in line]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    names = re.findall(r"^([a-z0-9_.-]+)(?:\[[^]]*\])?==", lock.read_text(), re.MULTILINE)
    assert {"mlflow", "psycopg", "psycopg-binary", "boto3"} <= set(names)
    assert lock.read_text().count("--hash=sha256:") > len(names)
    assert not re.search(r"apt-get|apk |gcc|build-essential", DOCKERFILE.read_text())


def test_everything_copied_into_an_image_is_there_and_let_through() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE.read_text(), re.MULTILINE)
    ignore = (REPOSITORY / "Dockerfile.mlflow.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert set(copied) == allowed
    assert [name for name in copied if not (REPOSITORY / name).is_file()] == []


@pytest.mark.parametrize("name", ["serve_s3.sh", "check.sh"])
def test_shell_scripts_are_plain_and_parse(name: str) -> None:
    path = REPOSITORY / "deploy/mlflow" / name
    assert path.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(path)], check=True)


def test_the_stack_holds_no_job_runner_and_no_telemetry(services: dict[str, Any]) -> None:
    environment = services["mlflow"]["environment"]
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_names_of_services_are_those_that_the_variables_use(services: dict[str, Any]) -> None:
    text = EXAMPLE.read_text() + COMPOSE.read_text()
    assert set(re.findall(r"http://(\w+):9000", text)) <= {*services, "127"}
    assert services["mlflow"]["environment"]["PGHOST"] in services
    assert Path(REPOSITORY / "deploy/mlflow/serve.py").is_file()
