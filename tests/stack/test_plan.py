"""The compose file of the project as processes: commands, addresses, files, what is missing."""

import os
import socket
import sys
from functools import partial
from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError
from rakuten.stack import programs
from rakuten.stack.local import Choice, LocalStack, require_programs, taken_ports
from rakuten.stack.plan import Plan
from rakuten.stack.programs import Need, find_postgres
from tests.conftest import REPOSITORY

CONTAINER_PATHS = ("/project", "/etc/prometheus", "/etc/alertmanager", "/run/secrets")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """The project's own stack, on a machine that has every program."""
    for name in programs.NEEDS:
        program = tmp_path / "programs" / name
        program.parent.mkdir(exist_ok=True)
        program.touch()
        monkeypatch.setitem(programs.NEEDS, name, Need(partial(Path, program), "buy it"))
    root = tmp_path / "project"
    return LocalStack(REPOSITORY / "docker-compose.yml", root, root / ".rakuten" / "stack")


@pytest.fixture
def plan(local: LocalStack) -> Plan:
    return local.plan(Choice(profiles=("api", "flows", "monitoring", "s3"), offset=20_000))


def test_everything_but_helpers_of_containers_has_a_process(local: LocalStack, plan: Plan) -> None:
    assert set(local.stack.services) - set(plan.services) == {"artifacts-owner"}
    assert plan.absent == ()


def test_every_process_listens_on_loopback_on_its_published_port_moved(plan: Plan) -> None:
    ports = {name: one.port for name, one in plan.services.items() if one.port}
    assert ports["api"] == 28_000
    assert ports["postgres"] == 25_432
    assert len(set(ports.values())) == len(ports) == 10
    for name, one in plan.services.items():
        assert "0.0.0.0" not in " ".join([*one.command, *one.environment.values()]), name  # noqa: S104


def test_no_process_is_told_a_name_or_a_path_of_a_container(plan: Plan) -> None:
    names = set(plan.services)
    for name, one in plan.services.items():
        own = {k: v for k, v in one.environment.items() if os.environ.get(k) != v}
        texts = [*one.command, *own.values(), *(one.health.test if one.health else ())]
        for text in texts:
            assert not text.startswith(CONTAINER_PATHS), f"{name}: {text}"
            hosts = {part.rpartition("@")[2] for part in text.split("//")[1:]}
            assert not {host.split(":")[0].split("/")[0] for host in hosts} & names, text


def test_roles_run_in_this_environment_on_the_project(local: LocalStack, plan: Plan) -> None:
    command = plan.services["api"].command
    assert command[:3] == (sys.executable, "-m", "rakuten.cli")
    assert command[3:5] == ("--root", str(local.root))
    environment = plan.services["api"].environment
    assert environment["DATABASE_URL"] == "postgresql://rakuten@127.0.0.1:25432/rakuten"
    assert environment["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:25000"
    assert environment["LOG_FORMAT"] == "text"
    prefect = plan.services["prefect"].environment
    assert prefect["PREFECT_SERVER_DATABASE_HOST"] == "127.0.0.1"
    assert prefect["PREFECT_SERVER_DATABASE_PORT"] == "25432"
    assert plan.services["mlflow"].environment["PGPORT"] == "25432"


def test_settings_of_the_shell_do_not_reach_a_process(
    local: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICE", "other")
    monkeypatch.setenv("RAKUTEN_SERVE_KEYLESS", "true")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = local.plan(Choice(only=("api",))).services["api"].environment
    assert "PGSERVICE" not in environment
    assert "RAKUTEN_SERVE_KEYLESS" not in environment
    assert environment["LANG"] == "C.UTF-8"


def test_prometheus_is_given_the_addresses_of_this_machine(plan: Plan) -> None:
    prepare = plan.services["prometheus"].prepare
    assert "127.0.0.1:28000" in prepare
    assert "127.0.0.1:29108" in prepare
    folder = prepare[prepare.index("--output") + 1]
    assert f"--config.file={folder}/prometheus.yml" in plan.services["prometheus"].command


def test_a_secret_file_is_the_same_for_who_shows_it_and_who_asks_for_it(plan: Plan) -> None:
    (secret,) = plan.secrets
    assert plan.services["webhook"].environment["RAKUTEN_WEBHOOK_TOKEN_FILE"] == str(secret)


def test_copies_of_settings_name_addresses_of_this_machine(local: LocalStack) -> None:
    (local.root / "settings").mkdir(parents=True)
    (local.root / "settings" / "routes.yml").write_text("url: http://web:80\npath: /etc/web/x\n")
    file = local.root / "stack.yml"
    file.write_text(
        "services: {web: {command: [web, /etc/web/routes.yml], ports: ['127.0.0.1:8080:80'],"
        " volumes: ['./settings:/etc/web:ro']}}\n"
    )
    found = LocalStack(file, local.root, local.folder).plan(Choice(only=("web",)))
    ((target, (source, translation)),) = found.files.items()
    assert found.services["web"].command[1] == str(target)
    text = translation.text(source.read_text())
    assert text == f"url: http://127.0.0.1:8080\npath: {target.parent}/x\n"


def test_a_missing_program_stops_the_start_and_an_optional_one_is_left_out(
    local: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(programs.NEEDS, "grafana", Need(lambda: None, "from its makers"))
    plan = local.plan(Choice(profiles=("monitoring",)))
    assert require_programs(plan) == ["grafana"]
    assert "grafana" not in plan.services
    monkeypatch.setitem(programs.NEEDS, "postgres", Need(lambda: None, "apt-get install it"))
    with pytest.raises(ConfigurationError, match="Not installed here: postgres") as caught:
        require_programs(local.plan(Choice(profiles=("monitoring",))))
    assert "apt-get install it" in str(caught.value.hint)


def test_a_taken_port_is_found(local: LocalStack) -> None:
    plan = local.plan(Choice(only=("postgres",), free=True))
    assert taken_ports(plan) == {}
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan.services["postgres"].port or 0))
        other.listen()
        assert list(taken_ports(plan)) == ["postgres"]


def test_secrets_are_made_for_what_is_required_and_has_no_value(
    local: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_ADMIN_PASSWORD", "chosen")
    environment = local.plan(Choice(profiles=("monitoring",))).services["grafana"].environment
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == "chosen"
    kept = (local.folder / "secrets.env").read_text()
    assert "STACK_POSTGRES_PASSWORD=" in kept
    assert "GRAFANA_ADMIN_PASSWORD" not in kept


def test_the_newest_postgres_is_taken_and_an_old_one_is_not(tmp_path: Path) -> None:
    for version in ("14", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    assert find_postgres(tmp_path) == tmp_path / "17" / "bin" / "initdb"
