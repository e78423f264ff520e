"""`rakuten serve` as a process, and what a test asks of it from outside."""

import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from rakuten.store.database import Database
from rakuten.store.keys import create_key
from rakuten.store.predictions import read_prediction
from tests.servers.process import ServerProcess, free_port

SCOPES = ("predict", "review", "admin")


class Served:
    """The service with the champion of a project; stop and start it through ``process``.

    Args:
        project: folder with the registry.
        root: folder where the service keeps its things; the project's without it.
        settings: variables of the service.
        keys: whether it asks for keys; ``key`` is then one with all scopes.
    """

    def __init__(
        self,
        project: Path,
        root: Path | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        keys: bool = False,
    ) -> None:
        self.root, self.port = root or project, free_port()
        self.url, self.key = f"http://127.0.0.1:{self.port}", ""
        self.database_url = (settings or {}).get(
            "DATABASE_URL", f"sqlite:///{self.root / '.rakuten/predictions.db'}"
        )
        command = [sys.executable, "-m", "rakuten.cli", "--root", str(self.root), "serve"]
        if keys:
            database = Database(self.database_url)
            database.migrate()
            _, self.key = create_key(database, "tests", SCOPES)
        else:
            command.append("--dev")
        environment = {
            "OPENBLAS_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}",
            **(settings or {}),
        }
        self.process = ServerProcess(
            [*command, "--port", str(self.port)],
            self.root / "serve.log",
            self.is_ready,
            environment=environment,
            seconds=180,  # the first start fetches the model in a process of low priority
        )

    def is_ready(self) -> bool:
        """Whether a model is live."""
        try:
            self.get("/readyz")
        except OSError:
            return False
        return True

    def get(self, path: str) -> str:
        """What a page without a key says."""
        with urllib.request.urlopen(self.url + path, timeout=2) as answer:
            found: bytes = answer.read()
        return found.decode()

    def stored(self, prediction_id: str) -> bool:
        """Whether an answer is in the database."""
        return read_prediction(Database(self.database_url), prediction_id) is not None

    def peak_mib(self) -> float:
        """Most resident memory that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
