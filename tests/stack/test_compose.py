"""Services are read with what they extend, chosen by profile, and put in start order."""

from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError, DataNotFoundError
from rakuten.stack.compose import Stack, choose, compose_text, read_stack, seconds

BASE = """
services:
  database:
    command: [serve, --quiet]
    environment: {A: base, B: base}
    volumes: ["data:/data"]
    healthcheck: {test: [CMD, ask], interval: 1s, retries: 2}
"""
STACK = """
x-profiles: ${PROFILES:-front}
services:
  front:
    profiles: [front]
    command: [answer]
    depends_on:
      database: {condition: service_healthy}
      job: {condition: service_completed_successfully}
      extra: {condition: service_healthy, required: false}
    ports: ["127.0.0.1:${PORT:-8080}:80"]
  job: {command: [once], profiles: [front], depends_on: [database]}
  extra: {command: [extra], profiles: [extra]}
  database:
    extends: {file: base.yml, service: database}
    profiles: [front, extra]
    command: [serve]
    environment: {B: own}
    volumes: ["./settings:/settings:ro"]
    healthcheck: {interval: 1m30s}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "base.yml").write_text(BASE)
    path = tmp_path / "stack.yml"
    path.write_text(STACK)
    return path


def read(path: Path, text: str) -> Stack:
    path.write_text(text)
    return read_stack(path, {})


def test_a_service_has_its_own_values_over_those_that_it_extends(file: Path) -> None:
    found = read_stack(file, {}).services["database"]
    assert found.command == ("serve",)
    assert found.environment == {"A": "base", "B": "own"}
    assert set(found.mounts) == {"/data", "/settings"}
    assert found.mounts["/settings"].read_only
    assert found.mounts["/data"].is_volume
    assert found.health is not None
    assert found.health.test == ("CMD", "ask")
    assert (found.health.interval, found.health.retries, found.health.deadline) == (90, 2, 180)


def test_variables_reach_ports_and_the_profiles_to_start(file: Path) -> None:
    found = read_stack(file, {"PORT": "81", "PROFILES": "front, extra"})
    assert found.services["front"].ports == {80: 81}
    assert found.profiles == ("front", "extra")


def test_what_a_service_needs_comes_before_it_and_what_may_be_absent_does_not_count(
    file: Path,
) -> None:
    stack = read_stack(file, {})
    assert list(choose(stack, ["front"])) == ["database", "job", "front"]
    assert list(choose(stack, ["extra"])) == ["extra", "database"]
    assert list(choose(stack, only=["job"])) == ["database", "job"]


def test_a_circle_is_named(tmp_path: Path) -> None:
    stack = read(tmp_path / "c.yml", "services: {a: {depends_on: [b]}, b: {depends_on: [a]}}")
    with pytest.raises(ConfigurationError, match="a → b → a"):
        choose(stack, only=["a"])


@pytest.mark.parametrize(("profiles", "only"), [(["none"], []), ([], ["none"])])
def test_an_unknown_name_is_answered_with_those_that_there_are(
    file: Path, profiles: list[str], only: list[str]
) -> None:
    with pytest.raises(ConfigurationError, match="'none'") as caught:
        choose(read_stack(file, {}), profiles, only)
    assert "front, job, extra, database" in str(caught.value.hint)


def test_an_absent_file_and_one_without_services_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="no.yml"):
        read_stack(tmp_path / "no.yml", {})
    with pytest.raises(ConfigurationError, match="defines no services"):
        read(tmp_path / "empty.yml", "name: x")
    with pytest.raises(ConfigurationError, match="Service a .*'soon' is no duration"):
        read(tmp_path / "bad.yml", "services: {a: {stop_grace_period: soon}}")


def test_comments_require_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stack.yml"
    path.write_text("# ${NEVER:?x}\nservices: {a: {command: ['${A:?x}']}}\n")
    assert "NEVER" not in compose_text(path)
    assert "${A:?x}" in compose_text(path)


@pytest.mark.parametrize(
    ("text", "value"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600)]
)
def test_durations_are_seconds(text: str, value: float) -> None:
    assert seconds(text) == value
