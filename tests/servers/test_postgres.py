"""The cluster lets in who knows the password, and keeps what it holds while it is away."""

from pathlib import Path

import pytest

from tests.servers.postgres import find_programs, postgres


@pytest.mark.servers
def test_cluster_asks_for_its_password_and_keeps_what_it_holds() -> None:
    with postgres() as cluster:
        cluster.make_database("box")
        cluster.query("box", "create table t (a int); insert into t values (7)")
        cluster.process.stop()
        with pytest.raises(RuntimeError, match="refused"):
            cluster.query("box", "select 1")
        cluster.process.start()
        assert cluster.query("box", "select a from t") == ["7"]
        object.__setattr__(cluster, "password", "another")
        with pytest.raises(RuntimeError, match="authentication failed"):
            cluster.query("box", "select 1")


def test_absent_server_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="apt-get install postgresql"):
        find_programs(tmp_path)
    (tmp_path / "13" / "bin").mkdir(parents=True)
    (tmp_path / "13" / "bin" / "initdb").touch()
    with pytest.raises(RuntimeError, match="version 15"):
        find_programs(tmp_path)


def test_newest_server_is_taken(tmp_path: Path) -> None:
    for version in ("9.6", "15", "17", "16"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    assert find_programs(tmp_path) == tmp_path / "17" / "bin"
