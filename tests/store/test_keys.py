"""Keys: several at once, ended by date or by hand, checked in constant time, known in an outage."""

import hmac
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError, DatabaseAwayError
from rakuten.store.database import Database
from rakuten.store.keys import KeyRing, create_key, list_keys, revoke_key
from tests.servers.process import free_port


def ring_of(database: Database) -> KeyRing:
    """A ring that knows what the database holds now."""
    ring = KeyRing(database)
    ring.refresh()
    return ring


def test_right_key_is_known_and_its_secret_is_not_kept(database: Database) -> None:
    key_id, secret = create_key(database, "shop", ["review", "predict"])
    key = ring_of(database).verify(secret)
    assert key is not None
    assert (key.key_id, key.name, key.scopes) == (key_id, "shop", ("predict", "review"))
    assert secret.startswith(f"rk_{key_id}_")
    random = secret.removeprefix(f"rk_{key_id}_")
    with database.read() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM api_keys").all())
    assert random not in rows


def test_wrong_keys_are_refused(database: Database) -> None:
    key_id, secret = create_key(database, "shop", ["predict"])
    _, other = create_key(database, "other", ["predict"])
    ring = ring_of(database)
    mixed = f"rk_{key_id}_{other.split('_', 2)[2]}"
    flipped = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    for wrong in (
        "",
        "rk_",
        secret[:-1],
        secret + "x",
        flipped,
        mixed,
        key_id,
        "é",
        "\ud800",
        secret.upper(),
        f" {secret}",
        f"{secret}\n",
        "x" * 100_000,
        f"rk_{key_id}_",
    ):
        assert ring.verify(wrong) is None


def test_expired_and_revoked_keys_are_refused(database: Database) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    _, expiring = create_key(database, "a", ["predict"], expires_at=soon)
    revoked_id, revoked = create_key(database, "b", ["admin"])
    ring = ring_of(database)
    assert ring.verify(expiring) is not None
    assert ring.verify(revoked) is not None
    assert revoke_key(database, revoked_id)
    when = [key.revoked_at for key in list_keys(database)]
    assert revoke_key(database, revoked_id)  # any number of times, and the first counts
    assert [key.revoked_at for key in list_keys(database)] == when
    assert not revoke_key(database, "nobody")
    ring.refresh()
    assert ring.verify(revoked) is None
    time.sleep(0.5)
    assert ring.verify(expiring) is None  # without another look


def test_new_key_works_before_the_old_one_ends(database: Database) -> None:
    old_id, old = create_key(database, "shop", ["predict"])
    ring = KeyRing(database, refresh_seconds=0.1)
    ring.start()
    try:
        _, new = create_key(database, "shop, new", ["predict"])
        _wait(lambda: ring.verify(new) is not None)
        assert ring.verify(old) is not None
        revoke_key(database, old_id)
        _wait(lambda: ring.verify(old) is None)
        assert ring.verify(new) is not None
    finally:
        ring.stop()


def test_every_check_compares_digests_in_constant_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = create_key(database, "shop", ["predict"])
    ring = ring_of(database)
    compared: list[tuple[int, int]] = []
    monkeypatch.setattr("rakuten.store.keys.hmac", _Recording(compared))
    for presented in (secret, secret[:-2] + "zz", "rk_000000000000_" + "x" * 43, "", "nonsense"):
        ring.verify(presented)
    assert compared == [(64, 64)] * 5


def test_known_keys_stay_valid_while_the_database_is_away_but_not_for_ever(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    _, secret = create_key(database, "shop", ["predict"])
    ring = KeyRing(database, refresh_seconds=0.05, away_seconds=1)
    ring.start()
    database.close()
    for path in tmp_path.glob("predictions.db*"):
        path.unlink()
    (tmp_path / "predictions.db").mkdir()
    time.sleep(0.3)
    assert ring.verify(secret) is not None
    time.sleep(1)
    with pytest.raises(DatabaseAwayError, match="not known"):
        ring.verify(secret)
    ring.stop()


def test_process_that_starts_in_an_outage_knows_its_callers_from_the_copy(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    _, secret = create_key(database, "shop", ["predict"])
    _, late = create_key(
        database, "x", ["admin"], expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    copy = tmp_path / "keys.json"
    first = KeyRing(database, copy=copy)
    first.refresh()
    assert secret not in copy.read_text()
    assert copy.stat().st_mode & 0o777 == 0o600
    away = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    second = KeyRing(away, copy=copy)
    second.start()
    found = second.verify(secret)
    assert found is not None
    assert found == first.verify(secret)
    assert second.verify(late) is None
    second.stop()
    third = KeyRing(away, copy=tmp_path / "none.json")
    third.start()
    with pytest.raises(DatabaseAwayError):
        third.verify(secret)
    third.stop()


def test_copy_that_is_damaged_or_old_is_not_believed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    _, secret = create_key(database, "shop", ["predict"])
    copy = tmp_path / "keys.json"
    KeyRing(database, copy=copy).refresh()
    away = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    os.utime(copy, (time.time() - 100_000,) * 2)
    for content in (copy.read_text(), "{", '{"keys": [{}]}', "[]"):
        if content != copy.read_text():
            copy.write_text(content)
        ring = KeyRing(away, copy=copy)
        ring.start()
        with pytest.raises(DatabaseAwayError):
            ring.verify(secret)
        ring.stop()


@pytest.mark.parametrize("scopes", [[], ["root"], ["predict", "x"]])
def test_unknown_scope_is_refused(database: Database, scopes: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="scopes"):
        create_key(database, "shop", scopes)


class _Recording:
    """The module hmac, which tells what it compared."""

    def __init__(self, compared: list[tuple[int, int]]) -> None:
        self._compared = compared

    def compare_digest(self, one: str, other: str) -> bool:
        self._compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)


def _wait(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
