"""A throw-away PostgreSQL cluster on loopback, with a password of every awkward character."""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers.process import ServerProcess, free_port

OWNER: Final = "mlflow"
LOWEST_VERSION: Final = 15
_AWKWARD: Final = """@:/%?#&=+[] '"\\$;!"""
_INSTALLED: Final = Path("/usr/lib/postgresql")


class PostgresProcess(ServerProcess):
    """A cluster that is stopped the fast way, without waiting for its clients to leave."""

    def stop(self, signal_number: int = signal.SIGINT) -> None:
        """End it; open transactions are rolled back."""
        super().stop(signal_number)


@dataclass(frozen=True)
class Postgres:
    """A running cluster; ``process.stop()`` takes it away, ``process.start()`` brings it back."""

    port: int
    password: str
    process: PostgresProcess
    programs: Path

    def environment(self, database: str) -> dict[str, str]:
        """What libpq needs to reach a database of the cluster."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": OWNER,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }

    def make_database(self, name: str) -> None:
        """Make an empty database."""
        self._run("createdb", name, database="postgres")

    def query(self, database: str, sql: str) -> list[str]:
        """Rows that a statement returns, columns separated by ``|``."""
        return self._run("psql", "-XAtc", sql, database=database).splitlines()

    def _run(self, program: str, *arguments: str, database: str) -> str:
        environment = {**os.environ, **self.environment(database)}
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout


def find_programs(installed: Path = _INSTALLED) -> Path:
    """Folder of the newest PostgreSQL server of this machine: Debian's place, else the PATH.

    Raises:
        RuntimeError: there is none of version 15 or newer.
    """
    found = installed.glob("[0-9]*/bin/initdb")
    folders = {int(path.parents[1].name.split(".")[0]): path.parent for path in found}
    on_path = shutil.which("initdb")
    if not folders and on_path:
        said = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=True)
        version = re.search(r"\d+", said.stdout)
        folders = {int(version.group()): Path(on_path).parent} if version else {}
    newest = max(folders, default=0)
    if newest < LOWEST_VERSION:
        raise RuntimeError(
            f"No PostgreSQL server of version {LOWEST_VERSION} or newer in {installed} or on the "
            "PATH: apt-get install postgresql (Debian, Ubuntu), brew install postgresql (macOS)."
        )
    return folders[newest]


@contextmanager
def postgres(*, fsync: bool = False) -> Iterator[Postgres]:
    """Make a cluster in a folder of its own, start it, and remove it when the block ends.

    Args:
        fsync: whether a commit waits for the disk, as it does outside tests.
    """
    programs, port = find_programs(), free_port()
    password = f"{secrets.token_hex(8)}{_AWKWARD}"
    folder = Path(tempfile.mkdtemp(prefix="rakuten-postgres-"))
    as_owner = _as_owner(folder)
    try:
        secret = folder / "password"
        secret.write_text(password)
        initdb: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-U", OWNER]
        initdb += ["-A", "scram-sha-256", "--pwfile", secret, "--no-sync"]
        initdb += ["-E", "UTF8", "--locale=C"]
        subprocess.run([*as_owner, *initdb], check=True, capture_output=True, cwd=folder)
        secret.unlink()
        command: list[str | Path] = [*as_owner, programs / "postgres", "-D", folder / "data"]
        for option in (f"port={port}", "listen_addresses=127.0.0.1", f"fsync={fsync}"):
            command += ["-c", option]
        command += ["-c", f"unix_socket_directories={folder}"]
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        process = PostgresProcess(
            command,
            folder / "log",
            lambda: subprocess.run(ready, check=False).returncode == 0,
        )
        with process:
            yield Postgres(port, password, process, programs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_owner(folder: Path) -> list[str | Path]:
    """The server refuses to run as root: then it runs as user postgres, who gets the folder."""
    if os.geteuid() != 0:
        return []
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        raise RuntimeError(
            "PostgreSQL does not run as root and there is no user postgres."
        ) from None
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
