"""An S3-speaking store on loopback: rclone serves a folder, a bucket is a folder in it."""

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.servers.process import ServerProcess, answers_http, free_port

REGION: Final = "us-east-1"


@dataclass(frozen=True)
class ObjectStore:
    """A running store: its address, its one key pair, and the folder that it serves.

    ``process.stop()`` takes it away and ``process.start()`` brings it back with all it held.
    """

    endpoint: str
    key: str
    secret: str
    folder: Path
    process: ServerProcess

    @property
    def environment(self) -> dict[str, str]:
        """What boto3, DVC and MLflow need to find the store and to be let in."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def client(self, *, key: str | None = None, secret: str | None = None) -> Any:
        """A botocore client, by default with the right keys; it tries once."""
        from botocore.config import Config
        from botocore.session import Session

        return Session().create_client(
            "s3",
            REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=key or self.key,
            aws_secret_access_key=secret or self.secret,
            config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}),
        )

    def make_bucket(self, name: str) -> None:
        """Make a bucket; names have at least three characters."""
        self.client().create_bucket(Bucket=name)

    def objects(self, bucket: str) -> dict[str, int]:
        """Size of every object of a bucket, by key, as the store lists them."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


def find_rclone() -> Path:
    """The program that ``make servers`` installed, else that of the PATH.

    Raises:
        RuntimeError: there is neither.
    """
    installed = Path(sys.prefix) / "servers" / "rclone"
    if installed.is_file():
        return installed
    found = shutil.which("rclone")
    if found is None:
        raise RuntimeError(f"No rclone in {installed.parent} or on the PATH: run `make servers`.")
    return Path(found)


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Serve ``folder/buckets`` on a free port until the block ends; the log lies beside it."""
    buckets, port = folder / "buckets", free_port()
    buckets.mkdir(parents=True, exist_ok=True)
    key, secret = f"key-{secrets.token_hex(4)}", secrets.token_hex(16)
    endpoint = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [find_rclone(), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{key},{secret}", "--config", "/dev/null", str(buckets)]
    process = ServerProcess(command, folder / "rclone.log", lambda: answers_http(endpoint))
    with process:
        yield ObjectStore(endpoint, key, secret, buckets, process)
