"""API keys: made and revoked in the database, checked from memory."""

import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from rakuten.errors import ConfigurationError, DatabaseAwayError, RakutenError, StoreError
from rakuten.io import read_json, write_json
from rakuten.logs import get_logger
from rakuten.store.database import Database
from rakuten.store.tables import api_keys

log = get_logger(__name__)

SCOPES: Final = ("predict", "review", "admin")
REFRESH_SECONDS: Final = 10.0
"""A key that was made or revoked elsewhere counts here after this, and a moment, at the latest."""
AWAY_SECONDS: Final = 4 * 3600.0
"""The keys known last stay valid for so long while the database is away."""
_FORM: Final = re.compile(r"rk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NOBODY: Final = "0" * 64


@dataclass(frozen=True)
class Key:
    """Who asks; the secret itself is nowhere."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create_key(
    database: Database, name: str, scopes: Iterable[str], *, expires_at: datetime | None = None
) -> tuple[str, str]:
    """Make a key; several may be valid at once, so that one can replace another.

    A secret is 256 random bits: nobody can guess it from its SHA-256, so that no slow hash is
    needed, as it is for passwords of people.

    Returns:
        Its id and its secret, which cannot be shown again.

    Raises:
        ConfigurationError: a scope is unknown, or there is none.
        DatabaseAwayError: nobody answered.
    """
    wanted = sorted(set(scopes), key=lambda scope: (scope not in SCOPES, scope))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise ConfigurationError(
            f"A key cannot have the scopes {', '.join(wanted) or 'none'}.",
            hint=f"choose among {', '.join(SCOPES)}",
        )
    key_id = secrets.token_hex(6)
    secret = f"rk_{key_id}_{secrets.token_urlsafe(32)}"
    row = {
        "key_id": key_id,
        "name": name,
        "secret_sha256": _digest(secret),
        "scopes": wanted,
        "created_at": datetime.now(UTC),
        "expires_at": expires_at,
    }
    with database.write() as connection:
        connection.execute(sa.insert(api_keys), row)
    return key_id, secret


def revoke_key(database: Database, key_id: str) -> bool:
    """End a key for good; false where there is none of this id.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    when = sa.func.coalesce(api_keys.c.revoked_at, sa.literal(datetime.now(UTC), _TIME))
    statement = sa.update(api_keys).where(api_keys.c.key_id == key_id).values(revoked_at=when)
    with database.write() as connection:
        return connection.execute(statement).rowcount == 1


def list_keys(database: Database) -> list[Key]:
    """All keys, oldest first, those that are revoked included.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    return [key for key, _ in _load(database).values()]


class KeyRing:
    """Checks keys from memory, and keeps what it knows fresh from a thread of its own.

    Args:
        database: where keys are.
        copy: file that takes what was known last (hashes, no secrets), so that a process that
            starts while the database is away knows its callers.
        refresh_seconds: see :data:`REFRESH_SECONDS`.
        away_seconds: see :data:`AWAY_SECONDS`.
    """

    def __init__(
        self,
        database: Database,
        *,
        copy: Path | None = None,
        refresh_seconds: float = REFRESH_SECONDS,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._database = database
        self._copy = copy
        self._refresh_seconds = refresh_seconds
        self._away_seconds = away_seconds
        self._known: dict[str, tuple[Key, str]] = {}
        self._known_at = float("-inf")  # of time.time(): a copy on disk outlives the process
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the keys, from the copy if need be, and keep them fresh until :meth:`stop`."""
        self._refresh_or_copy()
        self._thread = threading.Thread(target=self._keep_fresh, name="keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * self._refresh_seconds)

    def refresh(self) -> None:
        """Read the keys from the database.

        Raises:
            StoreError: it did not answer, or refused; what was known stays.
        """
        known = _load(self._database)
        changed = known != self._known
        self._known, self._known_at = known, time.time()
        if self._copy is not None:
            _write_copy(self._copy, known, changed=changed)

    def verify(self, presented: str) -> Key | None:
        """Whose key this is; None where it is wrong, revoked or expired. Asks nobody.

        Raises:
            DatabaseAwayError: the database has been away for too long, or since the start.
        """
        if time.time() - self._known_at > self._away_seconds:
            raise DatabaseAwayError(
                "The API keys are not known: the database is away.", hint="try again later"
            )
        found = _FORM.fullmatch(presented)
        key, expected = self._known.get(found[1] if found else "", (None, _NOBODY))
        # A key that is not there takes as long as one whose secret is wrong.
        right = hmac.compare_digest(_digest(presented), expected)
        return key if right and key is not None and key.is_valid(datetime.now(UTC)) else None

    def _refresh_or_copy(self) -> None:
        try:
            self.refresh()
        except StoreError as error:
            log.warning("API keys cannot be read", extra={"reason": error.message})
            if self._copy is not None and self._copy.is_file():
                self._known, self._known_at = _read_copy(self._copy)

    def _keep_fresh(self) -> None:
        while not self._stop.wait(self._refresh_seconds):
            try:
                self.refresh()
            except RakutenError as error:
                log.debug("API keys cannot be read", extra={"reason": error.message})
            except Exception:  # the thread must outlive whatever one look brings
                log.exception("API keys cannot be read")


_TIME: Final = api_keys.c.created_at.type


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _load(database: Database) -> dict[str, tuple[Key, str]]:
    statement = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
    with database.read() as connection:
        rows = connection.execute(statement).all()
    return {
        row.key_id: (
            Key(
                row.key_id,
                row.name,
                tuple(row.scopes),
                row.created_at,
                row.expires_at,
                row.revoked_at,
            ),
            row.secret_sha256,
        )
        for row in rows
    }


def _write_copy(path: Path, known: dict[str, tuple[Key, str]], *, changed: bool) -> None:
    """Write what is known; the time of the file says when that was."""
    if not changed and path.exists():
        os.utime(path)
        return
    keys = [{**asdict(key), "secret_sha256": digest} for key, digest in known.values()]
    for key in keys:
        for name in _MOMENTS:
            key[name] = key[name] and key[name].isoformat()
    write_json(path, {"keys": keys})
    path.chmod(0o600)


def _read_copy(path: Path) -> tuple[dict[str, tuple[Key, str]], float]:
    known = {}
    try:
        content = read_json(path)
        for row in content["keys"]:
            digest = row.pop("secret_sha256")
            row["scopes"] = tuple(row["scopes"])
            for name in _MOMENTS:
                row[name] = row[name] and datetime.fromisoformat(row[name])
            known[row["key_id"]] = (Key(**row), digest)
        return known, path.stat().st_mtime
    except (RakutenError, OSError, KeyError, TypeError, ValueError) as error:
        log.warning("the copy of the API keys cannot be read", extra={"reason": str(error)})
        return {}, float("-inf")


_MOMENTS: Final = ("created_at", "expires_at", "revoked_at")
