"""How connections to an SQLite file or to PostgreSQL are made, and what they are told first."""

import json
import select
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy import event, exc

from rakuten.errors import ConfigurationError

CONNECT_SECONDS: Final = 3
WORK_SECONDS: Final = 10.0
"""No transaction waits longer for the database, unless it says so."""
BEGIN_WRITING: Final = "BEGIN IMMEDIATE"


def parse_url(url: str) -> sa.URL:
    """A URL of an SQLite file or of PostgreSQL, with its driver.

    Raises:
        ConfigurationError: it is no such URL.
    """
    hint = "DATABASE_URL=postgresql://user:password@host/name, or sqlite:///path; unset: SQLite"
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ConfigurationError("DATABASE_URL is not a database URL.", hint=hint) from error
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise ConfigurationError(
            f"DATABASE_URL names {parsed.drivername}, which cannot keep predictions.", hint=hint
        )
    return parsed


_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "cache_size=-512")
"""Readers and the writer do not wait for each other; a commit is on disk (FULL); what is erased
does not linger in free pages; and a connection keeps 512 KiB of pages, not 2 MiB: it begins anew
whenever another one has committed."""


def sqlite_engine(url: sa.URL, seconds: float = WORK_SECONDS) -> sa.Engine:
    """An engine whose commits are on disk.

    Transactions of a connection with the execution option ``immediate`` begin as writers, which
    wait up to ``seconds`` for one another.

    Raises:
        ConfigurationError: the folder of the file cannot be made.
    """
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder of {url.database} cannot be made: {error.strerror}.",
            hint="set DATABASE_URL to a file in a folder that can be written",
        ) from error
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        json_serializer=_dump,
        connect_args={"timeout": seconds},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, see below
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql(BEGIN_WRITING if immediate else "BEGIN")

    return engine


def postgres_engine(url: sa.URL, pool_size: int, seconds: float = WORK_SECONDS) -> sa.Engine:
    """An engine whose commits are on disk, and which hands out no connection that was lost.

    A statement that takes longer than ``seconds`` is cancelled.
    """
    milliseconds = int(seconds * 1000)
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=5,
        hide_parameters=True,
        json_serializer=_dump,
        use_native_hstore=False,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "rakuten",
            "tcp_user_timeout": milliseconds,
            # An acknowledged record is on disk, whatever the server's own default is.
            "options": f"-c synchronous_commit=on -c statement_timeout={milliseconds}",
        },
    )

    @event.listens_for(engine, "checkout")
    def look(connection: Any, *_: Any) -> None:
        # An idle connection has nothing to say: if it has, the server ended it. That costs no
        # round trip, which would wait for a server that hangs.
        poll = select.poll()
        try:
            poll.register(connection.fileno(), select.POLLIN)
            lost = bool(poll.poll(0))
        except Exception:  # noqa: BLE001 - closed on this side
            lost = True
        if lost:
            raise exc.DisconnectionError

    return engine


_dump_strictly: Final = json.JSONEncoder(allow_nan=False).encode


def _dump(value: Any) -> str:
    """JSON of plain values; pydantic writes it in a fifth of the time that json takes."""
    try:
        text = to_json(value).decode()
    except ValueError:  # a lone surrogate, which json escapes, or a value that it refuses
        return _dump_strictly(value)
    doubtful = "NaN" in text or "Infinity" in text  # words, or numbers that json refuses
    return _dump_strictly(value) if doubtful else text
