"""Secrets are made once, only their owner reads them, and those that somebody chose are kept."""

from pathlib import Path

from rakuten.stack.secrets import make_secret_file, make_secrets


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "stack" / "secrets.env"
    first = make_secrets(path, {"A", "B"}, {})
    assert len({*first.values()}) == 2
    assert all(len(value) >= 40 for value in first.values())
    assert path.stat().st_mode & 0o777 == 0o600
    again = make_secrets(path, {"A", "B", "C"}, {})
    assert {name: again[name] for name in "AB"} == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_value_that_somebody_chose_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    assert make_secrets(path, {"A"}, {"A": "mine"}) == {}
    assert not path.exists()
    assert set(make_secrets(path, {"A"}, {"A": ""})) == {"A"}


def test_a_file_with_one_secret_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "token"
    make_secret_file(path)
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    make_secret_file(path)
    assert path.read_text() == before
