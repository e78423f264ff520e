"""The light look-ups agree with MLflow's, and never take a failure for "no champion"."""

import base64
import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rakuten.errors import ConfigurationError, StoreAwayError, TrackingError
from rakuten.serving.alias import ChildSource, RestSource, SqliteSource, make_source
from rakuten.serving.child import Child
from rakuten.settings import Settings
from tests.serving.conftest import NAME, Shop

Answer = tuple[int, bytes]


@dataclass
class Canned:
    """A server that answers by the last two words of the path, and what it was asked."""

    answers: dict[str, Answer]
    uri: str = ""
    asked: list[tuple[str, dict[str, list[str]], str | None]] = field(default_factory=list)


@contextmanager
def canned(answers: dict[str, Answer], **headers: str) -> Iterator[Canned]:
    made = Canned(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            made.asked.append(
                (parts.path, parse_qs(parts.query), self.headers.get("Authorization"))
            )
            method = "/".join(parts.path.rsplit("/", 2)[1:])
            status, body = made.answers.get(method, made.answers.get("*", (404, b"")))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.uri = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def ok(content: Any) -> Answer:
    return 200, json.dumps(content).encode()


def registry_answers(**changes: Any) -> dict[str, Answer]:
    """What MLflow 3.17 answers for a model with a champion."""
    model = {
        "name": NAME,
        "aliases": [{"alias": "champion", "version": "2"}, {"alias": "previous", "version": "1"}],
    }
    version = {
        "name": NAME,
        "version": "2",
        "creation_timestamp": 1795649565512,
        "run_id": "abc",
        "tags": [{"key": "model_sha256", "value": "a" * 64}],
    }
    return {
        "registered-models/search": ok({"registered_models": [{**model, **changes}]}),
        "model-versions/get": ok({"model_version": {**version, **changes}}),
        "experiments/search": ok({"experiments": [{"experiment_id": "0"}]}),
    }


def test_the_champion_is_read_through_the_rest_api() -> None:
    with canned(registry_answers()) as server:
        found = RestSource(server.uri, NAME).champion()
    assert found is not None
    assert (found.version, found.sha256, found.run_id) == (2, "a" * 64, "abc")
    assert found.aliases == ("champion",)
    assert server.asked[0][0] == "/api/2.0/mlflow/registered-models/search"
    assert server.asked[0][1]["filter"] == [f"name = '{NAME}'"]


def test_a_server_under_a_path_is_asked_there() -> None:
    with canned(registry_answers()) as server:
        assert RestSource(f"{server.uri}/team.mlflow/", NAME).champion()
    assert server.asked[0][0].startswith("/team.mlflow/api/2.0/mlflow/")


def test_no_alias_and_no_model_are_none_where_the_server_knows_its_experiments() -> None:
    with canned(registry_answers(aliases=[])) as server:
        assert RestSource(server.uri, NAME).champion() is None
        server.answers["registered-models/search"] = ok({})
        assert RestSource(server.uri, NAME).champion() is None
        server.answers["experiments/search"] = ok({})
        with pytest.raises(TrackingError, match="strange"):
            RestSource(server.uri, NAME).champion()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((404, b"no such page"), TrackingError),
        ((404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}'), TrackingError),
        ((200, b""), TrackingError),
        ((200, b"<html>maintenance</html>"), TrackingError),
        ((200, b"[]"), TrackingError),
        ((200, b"[" * 100_000), TrackingError),
        ((200, b"{}"), TrackingError),
        ((200, b'{"registered_models": 1, "experiments": 1}'), TrackingError),
        ((200, b'{"registered_models": [{"name": "other"}]}'), TrackingError),
        ((200, b'{"experiments": [{}]}'), TrackingError),
        ((204, b""), TrackingError),
        ((401, b"who are you?"), TrackingError),
        ((429, b"slower"), StoreAwayError),
        ((503, b"busy"), StoreAwayError),
    ],
)
def test_no_strange_answer_reads_as_none(answer: Answer, kind: type[TrackingError]) -> None:
    with canned({"*": answer}) as server, pytest.raises(kind):
        RestSource(server.uri, NAME).champion()


@pytest.mark.parametrize(
    "changes", [{"name": "other"}, {"version": "3"}, {"version": None}, {"tags": 7}]
)
def test_a_version_that_was_not_asked_for_is_a_failure(changes: dict[str, Any]) -> None:
    answers = registry_answers()
    answers["model-versions/get"] = registry_answers(**changes)["model-versions/get"]
    with canned(answers) as server, pytest.raises(TrackingError, match="strange"):
        RestSource(server.uri, NAME).champion()


def test_an_alias_of_a_version_that_is_not_there_is_a_failure() -> None:
    answers = registry_answers()
    answers["model-versions/get"] = (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')
    with canned(answers) as server, pytest.raises(TrackingError):
        RestSource(server.uri, NAME).champion()


def test_a_redirect_is_a_failure_and_credentials_stay_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    with (
        canned(registry_answers()) as other,
        canned({"*": (302, b"")}, Location=f"{other.uri}/elsewhere") as server,
        pytest.raises(TrackingError, match="302"),
    ):
        RestSource(server.uri, NAME).champion()
    assert other.asked == []


def test_a_server_that_is_away_or_silent_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rakuten.serving.rest._SECONDS", 0.3)
    with canned({}) as server:
        pass
    with pytest.raises(StoreAwayError, match="failed"):
        RestSource(server.uri, NAME).champion()
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreAwayError, match="timed out"):
            RestSource(uri, NAME).champion()


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize(
    ("variables", "userinfo", "expected"),
    [
        ({}, "", None),
        ({"USERNAME": "ann", "PASSWORD": "p%ss:é"}, "", basic("ann:p%ss:é")),
        ({"TOKEN": "t0k"}, "", "Bearer t0k"),
        ({"USERNAME": "ann", "PASSWORD": "p", "TOKEN": "t0k"}, "", basic("ann:p")),
        ({}, "ann:p%40ss@", basic("ann:p@ss")),
    ],
)
def test_the_credentials_are_those_of_mlflow(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], userinfo: str, expected: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    with canned(registry_answers()) as server:
        assert RestSource(server.uri.replace("//", f"//{userinfo}"), NAME).champion()
    assert {given for _, _, given in server.asked} == {expected}


def test_the_file_of_credentials_counts_and_a_damaged_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".mlflow").mkdir()
    path = tmp_path / ".mlflow/credentials"
    path.write_text("[mlflow]\nmlflow_tracking_username = bob\nmlflow_tracking_password = 1%2\n")
    with canned(registry_answers()) as server:
        RestSource(server.uri, NAME).champion()
    assert server.asked[0][2] == basic("bob:1%2")
    path.write_text("no section")
    with pytest.raises(ConfigurationError, match="credentials"):
        RestSource(server.uri, NAME)


def test_no_password_is_shown() -> None:
    source = RestSource("http://ann:hidden@127.0.0.1:9", NAME)
    with pytest.raises(StoreAwayError) as caught:
        source.champion()
    assert "hidden" not in str(caught.value)


def test_the_sqlite_look_up_agrees_with_mlflow(shop: Shop) -> None:
    source = SqliteSource(shop.database, NAME)
    assert source.champion() is None
    for number in (1, 3):
        shop.promote(number)
        found, expected = source.champion(), shop.version(number)
        assert found is not None
        assert found.version == expected.number
        assert found.sha256 == expected.model_sha256
        assert found.run_id == expected.run_id
        assert found.registered == expected.registered
        assert found.aliases == expected.aliases
        assert dict(found.tags) == dict(expected.tags)
        assert found.scores == {}
    assert SqliteSource(shop.database, "another").champion() is None
    shop.promote(None)
    assert source.champion() is None


def test_a_registry_file_that_cannot_be_read_is_a_failure(tmp_path: Path, shop: Shop) -> None:
    absent = tmp_path / "absent.db"
    strange = tmp_path / "strange.db"
    strange.write_bytes(b"no database" * 100)
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    for path in (absent, strange, empty, tmp_path):
        with pytest.raises(StoreAwayError):
            SqliteSource(path, NAME).champion()
    assert not absent.exists()
    shop.promote(1)
    with sqlite3.connect(shop.database) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM model_versions WHERE version = 1")
    with pytest.raises(TrackingError, match="lacks"):
        SqliteSource(shop.database, NAME).champion()


def test_a_registry_that_is_being_written_to_is_read_before_or_after(shop: Shop) -> None:
    shop.promote(1)
    writer = sqlite3.connect(shop.database, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE registered_model_aliases SET version = 2")
    found = SqliteSource(shop.database, NAME).champion()
    assert found is not None
    assert found.version == 1
    writer.execute("COMMIT")
    writer.close()
    found = SqliteSource(shop.database, NAME).champion()
    assert found is not None
    assert found.version == 2


def test_each_store_is_asked_in_the_lightest_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(Settings(), tmp_path, threading.Event())

    def kind(uri: str | None) -> type:
        return type(make_source(Settings(mlflow_tracking_uri=uri), tmp_path, child))

    assert kind(None) is SqliteSource
    assert kind("https://mlflow.example.org/x") is RestSource
    assert kind("postgresql://db/mlflow") is ChildSource
    assert kind("sqlite:///a.db?mode=ro") is ChildSource
    assert kind("databricks") is ChildSource
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "sso")
    assert kind("https://mlflow.example.org/x") is ChildSource


def test_any_other_store_is_asked_by_mlflow_itself(shop: Shop) -> None:
    shop.promote(2)
    settings = Settings(mlflow_tracking_uri=f"sqlite:///{shop.database}?timeout=5")
    child = Child(settings, shop.root, threading.Event())
    source = make_source(settings, shop.root, child)
    assert isinstance(source, ChildSource)
    assert source.champion() == SqliteSource(shop.database, NAME).champion()
    shop.promote(None)
    assert source.champion() is None


def test_a_child_that_fails_or_takes_too_long_is_a_failure(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()
    child = Child(Settings(), shop.root, stopping)
    with pytest.raises(StoreAwayError, match="took over"):
        child.run("look-up", NAME, seconds=0)
    with pytest.raises(TrackingError, match="ended with 2"):
        child.run("no-such-command", seconds=60)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(StoreAwayError, match="did not start"):
        child.run("look-up", NAME, seconds=60)
