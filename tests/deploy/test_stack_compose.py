"""The compose file of the whole stack: valid, ordered, confined, pinned, closed by default."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rakuten.stack.compose import Service, choose, compose_text, read_stack
from rakuten.stack.interpolation import required_names
from tests.conftest import REPOSITORY
from tests.deploy.dockerfiles import read_stages

COMPOSE = REPOSITORY / "docker-compose.yml"
EXAMPLE = (REPOSITORY / ".env.example").read_text()
RAW: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
BASE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.mlflow.yml").read_text())
TEXT = compose_text(COMPOSE)
SECRETS = {name: f"value-of-{name}" for name in required_names(TEXT)}
STACK = read_stack(COMPOSE, SECRETS)
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")
SERVING = [name for name, s in STACK.services.items() if name not in ("artifacts-owner", "flows")]


def merged(name: str) -> dict[str, Any]:
    """A service as Compose sees it, before variables."""
    own = RAW["services"][name]
    base = BASE["services"][own["extends"]["service"]] if "extends" in own else {}
    return {**base, **own}


def test_the_compose_file_is_valid() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_variable_is_explained_and_its_default_is_that_of_the_example() -> None:
    listed = set(re.findall(r"^(?:# )?([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))
    named = set(re.findall(r"\$\{([A-Z0-9_]+)", TEXT))
    assert len(named) > 30
    assert named - listed == set()
    shown = dict(re.findall(r"^([A-Z0-9_]+)=(.+)$", EXAMPLE, re.MULTILINE))
    for name, default in re.findall(r"\$\{([A-Z0-9_]+):-([^${}]+)\}", COMPOSE.read_text()):
        if name.startswith("STACK_"):
            assert shown[name] == default


def test_secrets_are_required_and_none_has_a_default() -> None:
    assert all(map(SECRET.search, SECRETS))
    assert len(SECRETS) == 6
    defaults = re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)", TEXT)
    assert [name for name, value in defaults if SECRET.search(name) and value] == []
    shown = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert [name for name, value in shown.items() if SECRET.search(name) and value] == []
    for name in STACK.services:
        for key, value in merged(name).get("environment", {}).items():
            if SECRET.search(key) and not key.endswith("_FILE"):
                assert re.match(r"\$\{[A-Z0-9_]+:[?-]", str(value)), f"{name}: {key}"


def test_images_of_others_are_pinned_by_version_and_digest() -> None:
    pulled = {n: merged(n)["image"] for n in STACK.services if "build" not in merged(n)}
    assert set(pulled) == {
        *("postgres", "artifacts-owner", "prometheus", "alertmanager", "grafana")
    }
    assert {n: image for n, image in pulled.items() if not PINNED.fullmatch(image)} == {}


def test_builds_name_a_stage_that_exists() -> None:
    for name in STACK.services:
        build = merged(name).get("build")
        if build is not None:
            file = REPOSITORY / build.get("dockerfile", "Dockerfile")
            assert build["target"] in read_stages(file), name


@pytest.mark.parametrize("name", STACK.services)
def test_a_service_is_confined(name: str) -> None:
    service = merged(name)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert "privileged" not in service
    added = service.get("cap_add", [])
    assert added == [] or name in ("postgres", "artifacts-owner")
    # postgres gives its folder to its user and becomes it; the images built here have a user.
    if name not in ("postgres", "artifacts-owner", "mlflow", "s3"):
        user = service["user"].replace("${RAKUTEN_UID:-1000}", "1000")
        assert not user.startswith(("0", "root")), name


@pytest.mark.parametrize("name", SERVING)
def test_what_serves_has_a_health_check(name: str) -> None:
    health = STACK.services[name].health
    assert health is not None
    assert health.timeout <= health.interval
    assert health.start_period >= 10


def test_ports_are_published_on_loopback_unless_told_otherwise() -> None:
    bound = re.compile(r"\$\{(STACK|MLFLOW)_BIND_ADDRESS:-127\.0\.0\.1\}:\$\{\w+:-\d+\}:\d+")
    ports = [port for name in STACK.services for port in merged(name).get("ports", [])]
    assert len(ports) == 9
    assert [port for port in ports if not bound.fullmatch(port)] == []
    assert len({port.split(":-")[2] for port in ports}) == 9
    assert STACK.services["postgres"].ports == {}


def test_the_database_has_no_way_out_and_who_asks_it_is_in_its_network() -> None:
    assert RAW["networks"]["database"]["internal"] is True
    assert merged("postgres")["networks"] == ["database"]
    for name, service in STACK.services.items():
        if "postgres" in service.depends_on:
            assert "database" in merged(name)["networks"], name


def test_whatever_a_service_is_told_of_is_started_before_it() -> None:
    for name, service in STACK.services.items():
        values = " ".join(service.environment.values())
        told = {other for other in STACK.services if re.search(rf"[/@]{other}:\d", values)}
        optional = {"mlflow"} if name in ("exporter", "webhook") else set()
        before = set(choose(STACK, only=[name]))
        assert told - before <= optional, name


@pytest.mark.parametrize("profile", ["api", "flows", "mlflow", "monitoring", "s3"])
def test_a_profile_starts_all_that_its_services_need(profile: str) -> None:
    chosen = choose(STACK, [profile])
    assert chosen
    for service in chosen.values():
        assert profile in service.profiles, service.name


def test_default_profiles_exist_and_start_no_store_that_needs_keys() -> None:
    assert STACK.profiles == ("api", "flows", "monitoring")
    assert "s3" not in choose(STACK, STACK.profiles)


def test_every_settings_folder_that_is_mounted_is_there() -> None:
    settings = {
        mount.source
        for service in STACK.services.values()
        for mount in service.mounts.values()
        if mount.source.startswith("./deploy")
    }
    assert "./deploy/stack/databases.sh" in settings
    absent = {source for source in settings if not (REPOSITORY / source).exists()}
    assert absent == set()


def test_named_volumes_are_declared_and_all_are_used() -> None:
    used = {
        mount.source
        for service in STACK.services.values()
        for mount in service.mounts.values()
        if mount.is_volume
    }
    assert used == set(RAW["volumes"])


def test_each_database_has_an_owner_and_a_password_of_its_own() -> None:
    script = (REPOSITORY / "deploy/stack/databases.sh").read_text()
    made = dict(re.findall(r'^make_database (\w+) "\$(\w+)"', script, re.MULTILINE))
    assert set(made) == {"mlflow", "prefect", "rakuten"}
    assert len(set(made.values())) == 3
    given = STACK.services["postgres"].environment
    assert set(made.values()) <= set(given)
    services: dict[str, Service] = dict(STACK.services)
    api, mlflow, prefect = (services[n].environment for n in ("api", "mlflow", "prefect"))
    assert api["PGPASSWORD"] == given[made["rakuten"]]
    assert mlflow["PGPASSWORD"] == given[made["mlflow"]]
    assert prefect["PREFECT_SERVER_DATABASE_PASSWORD"] == given[made["prefect"]]


def test_the_projects_env_file_is_not_seen_by_flows() -> None:
    mounts = STACK.services["flows"].mounts
    assert mounts["/project/.env"].source == "/dev/null"
    assert Path(mounts["/project"].source) == Path()
