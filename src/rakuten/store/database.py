"""The database behind the store: an SQLite file or PostgreSQL, and one error for its absence."""

import io
import json
import select
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy import event, exc

from rakuten.errors import (
    ConfigurationError,
    DatabaseAwayError,
    RecordRefusedError,
    StoreError,
)
from rakuten.logs import get_logger
from rakuten.store.deadline import Deadlines
from rakuten.store.tables import REVISION

log = get_logger(__name__)

DEFAULT_URL: Final = "sqlite:///.rakuten/predictions.db"
CONNECT_SECONDS: Final = 3
WORK_SECONDS: Final = 10.0
"""No transaction waits longer for the database, unless it says so."""
_BEGIN_WRITING: Final = "BEGIN IMMEDIATE"
_MIGRATE_SECONDS: Final = 120.0
_MIGRATE_LOCK: Final = 0x72616B7574656E  # any number, the same in every process


class Database:
    """A database by its URL (``DATABASE_URL``); connects when it is first used.

    Raises:
        ConfigurationError: the URL names no SQLite file and no PostgreSQL.
    """

    def __init__(self, url: str = DEFAULT_URL, *, pool_size: int = 10) -> None:
        parsed = _parse(url)
        self.shown = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._deadlines = Deadlines()
        self.engine = (
            _sqlite_engine(parsed) if self.is_sqlite else _postgres_engine(parsed, pool_size)
        )
        self._driver: Any = self.engine.dialect.dbapi

    @contextmanager
    def read(self, seconds: float = WORK_SECONDS) -> Iterator[sa.Connection]:
        """A transaction that reads.

        Raises:
            DatabaseAwayError: nobody answered in time.
            StoreError: the database refused.
        """
        with self._transaction({}, seconds) as connection:
            yield connection

    @contextmanager
    def write(self, seconds: float = WORK_SECONDS) -> Iterator[sa.Connection]:
        """A transaction that writes, alone on SQLite; when the block is over, it is on disk.

        Raises:
            DatabaseAwayError: nobody answered in time; what was written may be there or not.
            RecordRefusedError: a value cannot be stored.
            StoreError: the database refused.
        """
        with self._transaction({"immediate": True}, seconds) as connection:
            yield connection

    @contextmanager
    def cursor(self, seconds: float = WORK_SECONDS) -> Iterator[Any]:
        """The driver's own cursor, for what is written many times a second, and nothing else.

        On PostgreSQL each statement commits itself, which takes one round trip and not three;
        on SQLite the block is a transaction.

        Raises:
            As :meth:`write` does.
        """
        with self._boundary():
            pooled = self.engine.raw_connection()
            driver: Any = pooled.driver_connection
            try:
                with self._watch(driver, seconds), self._committing(driver):
                    yield driver.cursor()
            except self._driver.Error as error:
                if self.engine.dialect.is_disconnect(error, driver, None):
                    pooled.invalidate(error)
                raise
            finally:
                pooled.close()

    def ping(self) -> None:
        """Ask for an answer, from the tables that this version of the project knows.

        Raises:
            DatabaseAwayError: nobody answered.
            StoreError: somebody did, and refused, or the tables are not there.
        """
        with self.read(CONNECT_SECONDS) as connection:
            found = _revision(connection)
        if found is None:
            raise StoreError(f"{self.shown} has no tables yet.", hint="run the migrations first")

    def migrate(self) -> None:
        """Bring the tables to this version; of several processes, one does it and others wait.

        Raises:
            DatabaseAwayError: nobody answered.
            StoreError: the database refused, or a newer version of the project made it.
        """
        with self.read() as connection:
            if _revision(connection) == REVISION:
                return
        with self.write(_MIGRATE_SECONDS) as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                lock = sa.text("SELECT pg_advisory_xact_lock(:number)")
                connection.execute(lock, {"number": _MIGRATE_LOCK})
            _upgrade(connection, self.shown)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, options: dict[str, Any], seconds: float) -> Iterator[sa.Connection]:
        with self._boundary(), self.engine.connect() as connection:
            connection.execution_options(**options)
            driver = connection.connection.driver_connection
            with self._watch(driver, seconds), connection.begin():
                yield connection

    def _watch(self, driver: Any, seconds: float) -> AbstractContextManager[None]:
        if self.is_sqlite:  # whose own time-out is enough
            return nullcontext()
        return self._deadlines.limit(driver, seconds)

    @contextmanager
    def _committing(self, driver: Any) -> Iterator[None]:
        if not self.is_sqlite:
            driver.autocommit = True
            try:
                yield
            finally:
                with suppress(self._driver.Error):  # it is lost, and the pool finds out
                    driver.autocommit = False
            return
        driver.execute(_BEGIN_WRITING)
        yield
        driver.execute("COMMIT")

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        """Whatever SQLAlchemy and the drivers raise becomes an error of the store."""
        try:
            try:
                yield
            except self._driver.Error as error:
                raise exc.DBAPIError.instance(
                    *(None, None, error, self._driver.Error),
                    hide_parameters=True,
                    dialect=self.engine.dialect,
                ) from error
        except (exc.DataError, exc.IntegrityError) as error:
            raise RecordRefusedError(f"{self.shown} refused a record: {_first(error)}.") from error
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            raise self._away(error) from error
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise self._away(error) from error
            raise StoreError(f"{self.shown} failed: {_first(error)}.") from error
        except exc.StatementError as error:  # a value that its column does not take
            raise RecordRefusedError(f"{self.shown} refused a record: {_first(error)}.") from error
        except exc.SQLAlchemyError as error:
            raise StoreError(f"{self.shown} failed: {_first(error)}.") from error

    def _away(self, error: Exception) -> DatabaseAwayError:
        return DatabaseAwayError(
            f"{self.shown} did not answer: {_first(error)}.",
            hint="check DATABASE_URL, and that the database is up",
        )


def _parse(url: str) -> sa.URL:
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


def _sqlite_engine(url: sa.URL) -> sa.Engine:
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
        connect_args={"timeout": WORK_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, see below
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql(_BEGIN_WRITING if immediate else "BEGIN")

    return engine


def _postgres_engine(url: sa.URL, pool_size: int) -> sa.Engine:
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
            "tcp_user_timeout": int(WORK_SECONDS * 1000),
            # An acknowledged record is on disk, whatever the server's own default is.
            "options": f"-c synchronous_commit=on -c statement_timeout={int(WORK_SECONDS * 1000)}",
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


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: sa.Connection, shown: str) -> None:
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise StoreError(
            f"The tables of {shown} cannot be brought to revision {REVISION}: {error}.",
            hint="a newer version of this project made them; use that one",
        ) from error


def alembic_config(connection: sa.Connection) -> Any:
    """Alembic's configuration around a connection: the packaged steps, no file."""
    from alembic.config import Config

    config = Config(stdout=io.StringIO())  # what it prints is for a terminal of its own
    config.set_main_option("script_location", "rakuten.store:migrations")
    config.attributes["connection"] = connection
    return config


def _first(error: Exception) -> str:
    """First line of what the driver says; statements and values are never shown."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
