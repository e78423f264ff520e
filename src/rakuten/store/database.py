"""The database behind the store: an SQLite file or PostgreSQL, and one error for its absence."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from rakuten.errors import (
    DatabaseAwayError,
    RecordRefusedError,
    StoreError,
)
from rakuten.logs import get_logger
from rakuten.store.deadline import Deadlines
from rakuten.store.engines import (
    BEGIN_WRITING,
    CONNECT_SECONDS,
    WORK_SECONDS,
    parse_url,
    postgres_engine,
    sqlite_engine,
)
from rakuten.store.tables import REVISION

log = get_logger(__name__)

DEFAULT_URL: Final = "sqlite:///.rakuten/predictions.db"
_MIGRATE_SECONDS: Final = 120.0
_MIGRATE_LOCK: Final = 0x72616B7574656E  # any number, the same in every process


class Database:
    """A database by its URL (``DATABASE_URL``); connects when it is first used.

    Args:
        url: of an SQLite file or of PostgreSQL.
        pool_size: connections to PostgreSQL that are kept.
        seconds: how long a transaction may take, and wait for another one on SQLite.

    Raises:
        ConfigurationError: the URL names no SQLite file and no PostgreSQL.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, pool_size: int = 10, seconds: float = WORK_SECONDS
    ) -> None:
        parsed = parse_url(url)
        self._seconds = seconds
        self.shown = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._deadlines = Deadlines()
        self.engine = (
            sqlite_engine(parsed, seconds)
            if self.is_sqlite
            else postgres_engine(parsed, pool_size, seconds)
        )
        self._driver: Any = self.engine.dialect.dbapi

    @property
    def is_file_absent(self) -> bool:
        """Whether it is an SQLite file that is not there: to connect would make an empty one."""
        return self.is_sqlite and not Path(str(self.engine.url.database)).is_file()

    @contextmanager
    def read(self, seconds: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that reads.

        Raises:
            DatabaseAwayError: nobody answered in time.
            StoreError: the database refused.
        """
        with self._transaction({}, seconds) as connection:
            yield connection

    @contextmanager
    def write(self, seconds: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that writes, alone on SQLite; when the block is over, it is on disk.

        Raises:
            DatabaseAwayError: nobody answered in time; what was written may be there or not.
            RecordRefusedError: a value cannot be stored.
            StoreError: the database refused.
        """
        with self._transaction({"immediate": True}, seconds) as connection:
            yield connection

    @contextmanager
    def cursor(self, seconds: float | None = None) -> Iterator[Any]:
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
            found = revision_of(connection)
        if found is None:
            raise StoreError(f"{self.shown} has no tables yet.", hint="run the migrations first")

    def migrate(self, seconds: float = _MIGRATE_SECONDS) -> None:
        """Bring the tables to this version; of several processes, one does it and others wait.

        Args:
            seconds: how long that may take where the tables are older.

        Raises:
            DatabaseAwayError: nobody answered.
            StoreError: the database refused, or a newer version of the project made it.
        """
        with self.read() as connection:
            if revision_of(connection) == REVISION:
                return
        with self.write(seconds) as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                lock = sa.text("SELECT pg_advisory_xact_lock(:number)")
                connection.execute(lock, {"number": _MIGRATE_LOCK})
            _upgrade(connection, self.shown)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(
        self, options: dict[str, Any], seconds: float | None
    ) -> Iterator[sa.Connection]:
        with self._boundary(), self.engine.connect() as connection:
            connection.execution_options(**options)
            driver = connection.connection.driver_connection
            with self._watch(driver, seconds), connection.begin():
                yield connection

    def _watch(self, driver: Any, seconds: float | None) -> AbstractContextManager[None]:
        if self.is_sqlite:  # whose own time-out is enough
            return nullcontext()
        return self._deadlines.limit(driver, self._seconds if seconds is None else seconds)

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
        driver.execute(BEGIN_WRITING)
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


def revision_of(connection: sa.Connection) -> str | None:
    """The migration that a database is at; None where it has no tables."""
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
